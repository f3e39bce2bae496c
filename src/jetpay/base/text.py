"""The one rule for text that people or programs send, and what is derived from such text."""

import unicodedata
from typing import Final

import idna

NAME_LENGTH = 100
NOTE_LENGTH = 500
TITLE_LENGTH = 60
HOLDER_LENGTH = 60
TAG_LENGTH = 40
TAG_COUNT = 20
METADATA_KEYS = 20
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
METADATA_BYTES = 4096
EMAIL_LENGTH = 254
STATEMENT_LENGTH = 30
ANSWER_RAW_LENGTH = 256
ANSWER_MINIMUM = 3
ANSWER_MAXIMUM = 64

_SENTENCES: Final = {
    "required": "Please fill this in.",
    "too_short": "This needs at least {limit} characters.",
    "too_long": "This has more than {limit} characters.",
    "forbidden_character": "Character number {number} cannot be used here.",
    "not_an_email_address": "This is not an e-mail address.",
}

_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"
# What pasting leaves at the ends; any other control character is refused there too.
_ENDS: Final = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000"
)
# No character decomposes canonically into more than four code points, so a longer text stays
# too long when composed; normalising takes quadratic time on long runs of marks.
_COMPOSED_AT_MOST: Final = 4

_LOCAL_PART_LENGTH = 64
_DOMAIN_LENGTH = 253
_LABEL_LENGTH = 63
_LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LABEL_CHARACTERS = _LETTERS_AND_DIGITS | {"-"}
_LOCAL_CHARACTERS = _LETTERS_AND_DIGITS | frozenset("!#$%&'*+-/=?^_`{|}~.")


class TextProblem(ValueError):
    """Why a text cannot be taken; never holds the text itself.

    `position` counts code points of the text as it was sent, from 0; None when no single
    character is at fault. `limit` is the length that was missed. `sentence` is the template to
    translate, `message` the English sentence.
    """

    def __init__(self, code: str, position: int | None = None, *, limit: int | None = None) -> None:
        self.code = code
        self.position = position
        self.limit = limit
        self.sentence = _SENTENCES[code]
        self.values = {"limit": limit, "number": None if position is None else position + 1}
        self.message = self.sentence.format(**self.values)
        super().__init__(self.message)


def clean(value: str, *, maximum: int, minimum: int = 0, multiline: bool = False) -> str:
    """The text trimmed and in NFC, `minimum` to `maximum` code points long, or `TextProblem`.

    Refuses what cannot be seen (control, format, unassigned and private characters, line and
    paragraph separators), except joiners between letters. `multiline` lets line feeds through
    and takes CR LF, which browsers send, for one.
    """
    cleaned = value.strip(_ENDS)
    if len(cleaned) > _COMPOSED_AT_MOST * maximum:
        raise TextProblem("too_long", limit=maximum)
    # isprintable() is False for every forbidden category, so most texts end here.
    if not cleaned.isprintable():
        start = len(value) - len(value.lstrip(_ENDS))
        cleaned = _visible(cleaned, start=start, multiline=multiline)
    if not cleaned.isascii():
        cleaned = unicodedata.normalize("NFC", cleaned)
    if len(cleaned) > maximum:
        raise TextProblem("too_long", limit=maximum)
    if len(cleaned) < minimum:
        raise TextProblem("too_short" if cleaned else "required", limit=minimum)
    return cleaned


def normalise_answer(raw: str) -> str:
    """What two answers to a security question must share to be the same answer.

    Compatibility forms, case, accents, white space, surrounding punctuation and characters that
    nobody sees make no difference. `TextProblem` if `raw` is longer than `ANSWER_RAW_LENGTH`;
    the result may be of any length, also empty: a typed answer may be wrong in any way.
    """
    # Before normalising: one code point can become eighteen.
    if len(raw) > ANSWER_RAW_LENGTH:
        raise TextProblem("too_long", limit=ANSWER_RAW_LENGTH)
    folded = raw.lower() if raw.isascii() else _folded(raw)
    words = " ".join(folded.split())
    first, end = 0, len(words)
    while first < end and _is_edge(words[first]):
        first += 1
    while first < end and _is_edge(words[end - 1]):
        end -= 1
    return words[first:end]


def mask(value: str, shown: int = 3) -> str:
    """`•••123`: the last `shown` characters, none of a value that has no more; hides lengths."""
    return "•••" + (value[-shown:] if 0 < shown < len(value) else "")


def email_address(value: str) -> str:
    """One address as a mail server takes it, nothing around it (RFC 5321, no quoted local part).

    A domain in other scripts comes back in its ASCII form (IDNA 2008). Raises `TextProblem`.
    """
    address = value.strip(" ")
    if not address:
        raise TextProblem("required", limit=1)
    if len(address) > EMAIL_LENGTH:
        raise TextProblem("too_long", limit=EMAIL_LENGTH)
    local, _, domain = address.rpartition("@")
    domain = _ascii_domain(domain)
    if not (_is_local_part(local) and _is_domain(domain)):
        raise TextProblem("not_an_email_address")
    address = f"{local}@{domain}"
    if len(address) > EMAIL_LENGTH:
        raise TextProblem("too_long", limit=EMAIL_LENGTH)
    return address


def _visible(value: str, *, start: int, multiline: bool) -> str:
    """`value`, sent from `start` on, with plain line ends, or where it is forbidden."""
    for position, character in enumerate(value):
        if character.isprintable() or unicodedata.category(character) not in _FORBIDDEN:
            continue
        if multiline and (character == "\n" or value.startswith("\r\n", position)):
            continue
        if character in _JOINERS and _between_letters(value, position):
            continue
        raise TextProblem("forbidden_character", start + position)
    return value.replace("\r\n", "\n")


def _between_letters(value: str, position: int) -> bool:
    # Marks count as part of their letter: in most Indic words a joiner follows a virama.
    before, after = value[position - 1 : position], value[position + 1 : position + 2]
    return all(char and unicodedata.category(char)[0] in "LM" for char in (before, after))


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = [
        char
        for char in decomposed
        if not unicodedata.combining(char) and unicodedata.category(char) != "Cf"
    ]
    # Hangul was decomposed too; a syllable counts as one character again.
    return unicodedata.normalize("NFKC", "".join(kept))


def _is_edge(character: str) -> bool:
    category = unicodedata.category(character)
    # Sk has the back-quote and the spacing accents that people type for an apostrophe.
    return character == " " or category[0] == "P" or category == "Sk"


def _is_local_part(local: str) -> bool:
    return (
        0 < len(local) <= _LOCAL_PART_LENGTH
        and _LOCAL_CHARACTERS.issuperset(local)
        and all(local.split("."))
    )


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:
        # The library's message quotes the domain.
        raise TextProblem("not_an_email_address") from None


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return (
        len(domain) <= _DOMAIN_LENGTH
        and len(labels) > 1
        and all(_is_label(label) for label in labels)
        # An address literal without its brackets is no domain.
        and not labels[-1].isdigit()
    )


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= _LABEL_LENGTH
        and _LABEL_CHARACTERS.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )
