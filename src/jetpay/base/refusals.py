"""What is refused, and how: a code for programs, a status for HTTP, a sentence for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that cannot be taken, and why; never holds the field's value."""

    field: str
    code: str
    message: str


class Refusal(Exception):
    """The base of everything that is refused on purpose.

    A class that can be raised sets all four class attributes. `sentence` is a whole sentence for
    a stranger, a template of `str.format`; what it names must be given as `values` (which are
    identifiers, counts and times, never personal data: they reach logs). `{field}` and
    `{retry_after}` (seconds) may be named too.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    sentence: ClassVar[str]
    usual_retry_after: ClassVar[int | None] = None

    def __init__(
        self, *, field: str | None = None, retry_after: int | None = None, **values: object
    ) -> None:
        """Raises `KeyError` here, not when it is shown, if the sentence lacks a value."""
        self.field = field
        self.values: Mapping[str, object] = values
        self.retry_after = self.usual_retry_after if retry_after is None else retry_after
        self.detail = self.say(str)
        super().__init__(self.detail)

    def say(self, translate: Callable[[str], str]) -> str:
        """The sentence with its values, after `translate` has turned the template."""
        return translate(self.sentence).format(
            field=self.field, retry_after=self.retry_after, **self.values
        )

    @property
    def errors(self) -> list[FieldError]:
        """The field at fault, if one is."""
        if self.field is None:
            return []
        return [FieldError(self.field, self.code, self.detail)]


class Malformed(Refusal):
    """What was sent cannot be parsed at all."""

    code = "malformed"
    status = 400
    title = "Malformed request"
    sentence = "The request could not be read; please check its form and send it again."


class Unauthorized(Refusal):
    """No token, or one that is not known."""

    code = "unauthorized"
    status = 401
    title = "Not signed in"
    sentence = "This call needs a valid API token in the Authorization header."


class Forbidden(Refusal):
    """A known token that may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"
    sentence = "The API token that was sent is not allowed to make this call."


class NotFound(Refusal):
    """No such thing, or somebody else's: both look alike."""

    code = "not_found"
    status = 404
    title = "Not found"
    sentence = "There is nothing at this address."


class MethodNotAllowed(Refusal):
    """The path is known, the method is not."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    sentence = "This address does not take calls with this method."


class Conflict(Refusal):
    """The base of what the present state of things does not allow; nouns add the codes."""

    status = 409


class TooLarge(Refusal):
    """The body is over the call's limit."""

    code = "too_large"
    status = 413
    title = "Request too large"
    sentence = "The request is larger than this call accepts."


class UnsupportedMediaType(Refusal):
    """The body's type or encoding is not one the call takes."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    sentence = "This call does not accept a body of this content type or encoding."


class Invalid(Refusal):
    """The request was read, and some of its fields cannot be taken."""

    code = "invalid"
    status = 422
    title = "Invalid request"
    sentence = "Some fields of the request cannot be accepted; each is listed with its reason."

    def __init__(self, errors: Sequence[FieldError]) -> None:
        """`errors` has at least one; `ValueError` otherwise."""
        if not errors:
            message = "an invalid request has at least one wrong field"
            raise ValueError(message)
        self._errors = list(errors)
        super().__init__()

    @property
    def errors(self) -> list[FieldError]:
        """Every wrong field, in the order in which it was found."""
        return self._errors


class RateLimited(Refusal):
    """Too many calls from one place; give `retry_after` in seconds."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"
    sentence = "Too many requests came from here; please try again in {retry_after} seconds."
    usual_retry_after = 60


class Unavailable(Refusal):
    """Something that Jetpay needs, such as its database, cannot be reached."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    sentence = "Jetpay cannot answer right now; please send the same request again shortly."
    usual_retry_after = 5


class Busy(Unavailable):
    """More work waits than may wait, or others kept changing the same thing."""

    code = "busy"
    title = "Busy"
    sentence = "Jetpay is too busy at this moment; please send the same request again shortly."
    usual_retry_after = 1


def all_refusals() -> list[type[Refusal]]:
    """Every refusal that can be raised and whose module was imported, by code, then name."""
    found: set[type[Refusal]] = set()
    bases: list[type[Refusal]] = [Refusal]
    while bases:
        subclasses = set(bases.pop().__subclasses__()) - found
        found |= subclasses
        bases.extend(subclasses)
    raisable = [refusal for refusal in found if hasattr(refusal, "code")]
    return sorted(raisable, key=lambda refusal: (refusal.code, refusal.__qualname__))
