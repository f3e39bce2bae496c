"""Refusals as RFC 9457 answers: `application/problem+json`, for every status."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson
from starlette.responses import Response

from jetpay.base.refusals import Refusal, Unauthorized

PROBLEM_TYPE: Final = "application/problem+json"


class WrongHost(Refusal):
    """Asked for under a name that is not ours."""

    code = "wrong_host"
    status = 421
    title = "Wrong host"
    sentence = "Jetpay does not answer under this host name; its address is {public_url}."


class Broken(Refusal):
    """A defect: nothing of it is told to strangers."""

    code = "internal_error"
    status = 500
    title = "Internal error"
    sentence = "Something went wrong in Jetpay; the log has the details under this request's id."


def problem(refusal: Refusal) -> dict[str, Any]:
    """The members of the answer; `errors` only where fields are at fault."""
    members: dict[str, Any] = {
        "type": problem_type(refusal.code),
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    if refusal.errors:
        members["errors"] = [asdict(error) for error in refusal.errors]
    return members


def problem_type(code: str) -> str:
    """A name that is the same in every installation; its code is explained in docs/errors.md."""
    return f"urn:jetpay:problem:{code}"


def problem_response(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """What a face answers to a refusal."""
    said = dict(headers or {})
    if refusal.retry_after is not None:
        said["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, Unauthorized):
        said["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(problem(refusal)),
        status_code=refusal.status,
        headers=said,
        media_type=PROBLEM_TYPE,
    )


def refuses(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """What a call's declaration says of its own refusals, by status."""
    statuses = sorted({refusal.status for refusal in refusals})
    return {
        status: problem_declaration(
            ", ".join(f"`{each.code}`" for each in refusals if each.status == status)
        )
        for status in statuses
    }


def problem_declaration(description: str) -> dict[str, Any]:
    """A response of the OpenAPI file."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": schema}}}
