"""The receipt as a PDF of one page: text that can be read out and copied, and the code."""

from importlib.resources import as_file, files
from io import BytesIO
from typing import Final

from fpdf import FPDF, ViewerPreferences, XPos, YPos

from jetpay.payment_page.receipts import facts
from jetpay.payment_page.receipts.model import QUIET_ZONE, Receipt, code_of
from jetpay.translations import Language

FONT: Final = "DejaVu"
MARGIN, LABEL, LINE, CODE = 22.0, 62.0, 6.0, 76.0
"""In millimetres: around the page, the left column, a line of text, the code's side."""
TITLE_POINTS, TEXT_POINTS, SMALL_POINTS = 20, 10.5, 9
GREY: Final = (77, 89, 85)


def render_pdf(receipt: Receipt, language: Language, *, address: str, public_url: str) -> bytes:
    """`address`: where the receipt can be checked, which the code holds."""
    pdf = FPDF(format="letter")
    title = f"{facts.title_of(receipt, language)} – {receipt.company}"
    pdf.set_lang(language.tag)
    pdf.set_title(title)
    pdf.set_author(receipt.company)
    pdf.set_creator("Jetpay")
    pdf.set_creation_date(receipt.issued_at)
    pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
    pdf.set_margin(MARGIN)
    with as_file(files(__package__) / "font" / "dejavu-sans.ttf") as font:
        pdf.add_font(FONT, fname=font)
    pdf.add_page()
    if receipt.sandbox:
        _paragraph(pdf, language.say(facts.TEST), points=TITLE_POINTS)
    _paragraph(pdf, receipt.company, grey=True)
    _paragraph(pdf, facts.title_of(receipt, language), points=TITLE_POINTS)
    _paragraph(pdf, facts.said_by(receipt, language))
    for row in facts.rows_of(receipt, language):
        _row(pdf, row)
    pdf.ln(LINE)
    _paragraph(pdf, facts.true_at(receipt, language), points=SMALL_POINTS, grey=True)
    how = language.say(facts.HOW_TO_CHECK, address=public_url)
    _paragraph(pdf, how, points=SMALL_POINTS, grey=True)
    picture = BytesIO()
    code_of(address).save(picture, kind="png", scale=4, border=QUIET_ZONE)
    pdf.image(picture, w=CODE, link=address, alt_text=language.say(facts.CODE))
    return bytes(pdf.output())


def _paragraph(pdf: FPDF, text: str, *, points: float = TEXT_POINTS, grey: bool = False) -> None:
    pdf.set_font(FONT, size=points)
    pdf.set_text_color(*(GREY if grey else (0, 0, 0)))
    height = LINE * max(points / TEXT_POINTS, 1)
    pdf.multi_cell(0, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(LINE / 3)


def _row(pdf: FPDF, row: facts.Row) -> None:
    pdf.set_font(FONT, size=TEXT_POINTS)
    pdf.set_text_color(*GREY)
    top, page = pdf.get_y(), pdf.page
    pdf.multi_cell(LABEL, LINE, row.label, align="L", new_x=XPos.RIGHT, new_y=YPos.NEXT)
    bottom = pdf.get_y()
    assert pdf.page == page  # one page holds the longest names that there may be
    pdf.set_xy(MARGIN + LABEL, top)
    pdf.set_text_color(0, 0, 0)
    pdf.multi_cell(0, LINE, row.value, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_y(max(bottom, pdf.get_y()) + LINE / 4)
