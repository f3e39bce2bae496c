"""The examples of docs/events.md are what the code makes, one of each type at least."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jetpay.bank_files.model import FileState
from jetpay.base.ids import CompanyId
from jetpay.contacts.actions import CHANGEABLE
from jetpay.credits.model import State
from jetpay.events.model import Event, EventType
from jetpay.events.payload import SHAPES, Source, payload
from jetpay.rails.fail_reasons import FAIL_REASONS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "events.md"
_, _, EXAMPLES = DOCUMENT.read_text().partition("\n## Examples\n")


def examples() -> Iterator[dict[str, Any]]:
    """Every object of the section's blocks of JSON."""
    decoder = json.JSONDecoder()
    for block in EXAMPLES.split("```json\n")[1:]:
        text = block.partition("```")[0].strip()
        while text:
            shown, end = decoder.raw_decode(text)
            yield shown
            text = text[end:].lstrip()


def stored(shown: dict[str, Any]) -> Event:
    """The event that would be shown so."""
    kind, data = EventType(shown["type"]), dict(shown["data"])
    found: dict[Source, dict[str, Any]] = {source: {} for source in Source}
    for field in SHAPES[kind]:
        if field.name in data:
            found[field.source][field.name] = data[field.name]
    [subject] = found[Source.SUBJECT].values()
    return Event(
        company_id=CompanyId(UUID(int=1)),
        event_id=shown["id"],
        created_at=datetime.fromisoformat(shown["createdAt"]),
        type=kind,
        subject_id=UUID(subject),
        from_state=next(iter(found[Source.FROM_STATE].values()), None),
        to_state=next(iter(found[Source.TO_STATE].values()), None),
        because=None,
        actor_kind="system",
        actor_id=None,
        data=found[Source.DATA],
    )


@pytest.mark.parametrize("shown", list(examples()), ids=lambda shown: str(shown["type"]))
def test_an_example_is_what_the_code_makes(shown: dict[str, Any]) -> None:
    made = payload(stored(shown))
    assert json.dumps(made) == json.dumps(shown), "names, values and their order"


def test_there_is_an_example_of_each_type() -> None:
    assert {shown["type"] for shown in examples()} == {str(kind) for kind in EventType}


def test_the_values_of_the_examples_can_be_met() -> None:
    of_credits, of_files = {str(state) for state in State}, {str(state) for state in FileState}
    for shown in examples():
        data = shown["data"]
        states = of_credits if "transactionId" in data else of_files
        assert {data[name] for name in ("state", "previousState") if name in data} <= states
        reason = data.get("failReason")
        assert reason is None or FAIL_REASONS[reason].direction == data["failDirection"]
        assert set(data.get("changed", ())) <= {*CHANGEABLE, "security_question"}
