"""Every event type has its closed shape, in the code and in docs/events.md alike."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jetpay.base.ids import CompanyId
from jetpay.events.model import Event, EventType
from jetpay.events.payload import SHAPES, Field, payload

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "events.md"
COMPANY = CompanyId(UUID("01980000-0000-7000-8000-000000000001"))
SUBJECT = UUID("41fc05d5-0000-7000-8000-0000000000aa")
PERSONAL = {"name", "email", "mail", "note", "statement", "question", "tags", "metadata", "answer"}


def event(type_: str, **fields: Any) -> Event:
    stored: dict[str, Any] = {
        "company_id": COMPANY,
        "event_id": 45678,
        "created_at": datetime(2026, 1, 22, 10, 15, 30, 123456, tzinfo=UTC),
        "type": type_,
        "subject_id": SUBJECT,
        "from_state": None,
        "to_state": None,
        "because": "created",
        "actor_kind": "token",
        "actor_id": None,
        "data": None,
    }
    return Event(**stored | fields)


def test_the_guides_own_example() -> None:
    assert payload(event("transactions.credits.created", to_state="requested")) == {
        "id": 45678,
        "createdAt": "2026-01-22T10:15:30.123456Z",
        "type": "transactions.credits.created",
        "data": {"state": "requested", "transactionId": str(SUBJECT)},
    }


def test_an_update_tells_the_state_before() -> None:
    shown = payload(
        event("transactions.credits.updated", from_state="initiated", to_state="processing")
    )
    assert shown["data"] == {
        "state": "processing",
        "previousState": "initiated",
        "transactionId": str(SUBJECT),
    }


@pytest.mark.parametrize("state", ["failed", "action_required"])
def test_a_failure_tells_its_reason_and_direction(state: str) -> None:
    data = {"failReason": "account_closed", "failDirection": "push"}
    shown = payload(
        event("transactions.credits.updated", from_state="processing", to_state=state, data=data)
    )
    assert shown["data"] == {
        "state": state,
        "previousState": "processing",
        "transactionId": str(SUBJECT),
        **data,
    }


def test_an_event_about_a_link_tells_the_state_that_stayed() -> None:
    shown = payload(
        event("transactions.credits.link_reissued", data={"state": "requested", "other": 1})
    )
    assert shown["data"] == {"state": "requested", "transactionId": str(SUBJECT)}


def test_nothing_of_the_data_leaves_that_the_shape_does_not_name() -> None:
    secret = {"accountNumber": "1000001", "email": "a@example.com", "language": "en"}
    for kind in EventType:
        shown = payload(event(kind.value, to_state="requested", from_state="x", data=secret))
        data = shown["data"]
        assert isinstance(data, dict)
        assert list(data) == [f.name for f in SHAPES[kind] if not f.only_in]
        assert "1000001" not in str(shown)
        assert "example.com" not in str(shown)


def test_every_type_has_a_shape_and_no_shape_holds_personal_data() -> None:
    assert set(SHAPES) == set(EventType)
    names = {field.name for shape in SHAPES.values() for field in shape}
    assert names.isdisjoint(PERSONAL)


def test_the_document_lists_every_type_with_its_fields() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_.]+)` \| (.+?) \|", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", fields) for name, fields in rows}
    assert documented == {
        kind.value: [field.name for field in shape] for kind, shape in SHAPES.items()
    }


def test_the_document_explains_every_field() -> None:
    text = DOCUMENT.read_text()
    fields: set[Field] = {field for shape in SHAPES.values() for field in shape}
    for field in fields:
        assert f"- `{field.name}`: " in text
