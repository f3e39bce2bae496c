"""A mail's text and HTML from what it is about; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from jetpay.companies.mails import MEMBERS_TOLD, Template
from jetpay.notices.sentences import ASK, FROM, MEMBER, PAYEE, WORDINGS
from jetpay.translations import Language

NOT_IN_NAMES: Final = str.maketrans(dict.fromkeys('"<>@,;:=\r\n', " "))
"""The equals sign begins an encoded word, which a reader turns into any of the others."""
ENVIRONMENT: Final = Environment(
    loader=PackageLoader("jetpay", "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Content:
    """`values`: of the sentences. `link` and `code` are in clear: they live as long as the try."""

    company: str
    support_contact: str | None
    sandbox: bool
    values: Mapping[str, object]
    link: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The two parts and their subject."""

    subject: str
    text: str
    html: str


def body_of(template: Template, content: Content, language: Language) -> Body:
    """Everything that was typed by a company is escaped, and none of it becomes a link."""
    wording = WORDINGS[template]
    shown = {
        "language": language,
        "subject": language.say(wording.subject),
        "paragraphs": [
            language.say(each, **content.values) if "{" in each else language.say(each)
            for each in wording.paragraphs
        ],
        "code": content.code,
        "link": content.link,
        "button": wording.button and language.say(wording.button),
        "sandbox": content.sandbox,
        "why": language.say(MEMBER if template in MEMBERS_TOLD else PAYEE, company=content.company),
        "ask": None if template in MEMBERS_TOLD else language.say(ASK, company=content.company),
        "support_contact": content.support_contact,
        "_": language.say,
    }
    text = ENVIRONMENT.get_template("mail/mail.txt").render(shown)
    html = ENVIRONMENT.get_template("mail/mail.html").render(shown)
    return Body(language.say(wording.subject), text, html)


def message_of(
    body: Body,
    *,
    to: str,
    sender: str,
    company: str,
    language: Language,
    identifier: str,
    at: datetime,
) -> EmailMessage:
    """Ready for a mail server; raises `ValueError` for an address that is none."""
    message = EmailMessage(policy=SMTP)
    from_address = Address(addr_spec=sender)
    name = " ".join(language.say(FROM, company=company).translate(NOT_IN_NAMES).split())
    message["From"] = Address(name, addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = body.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{identifier}@{from_address.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body.text)
    message.add_alternative(body.html, subtype="html")
    message["Content-Language"] = language.tag  # the lines above would take it away
    return message
