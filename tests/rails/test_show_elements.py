"""The tables of elements in docs/rails are those of the code, and its example runs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jetpay.rails.iso20022 import Leaf
from jetpay.rails.pain001 import CANADA, GROUP, Pain001

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "rails" / "iso20022.md"
ORDER = Pain001("09", CANADA)


def rows(leaves: Sequence[Leaf]) -> Iterator[str]:
    yield "| element | content | at most |"
    yield "|---|---|---|"
    for each in leaves:
        content = f"`{each.value}`" if each.value else each.meaning
        yield f"| `{each.path}` | {content} | {'' if each.value else each.length} |"


@pytest.mark.parametrize(
    "heading, leaves",
    [
        ("every message", (*GROUP, *ORDER.information.leaves)),
        ("every payment", ORDER.transaction.leaves),
    ],
)
def test_a_table_is_that_of_the_code(heading: str, leaves: Sequence[Leaf]) -> None:
    _, found, after = DOCUMENT.read_text().partition(f": {heading}\n\n")
    assert found
    assert after.partition("\n\n")[0].splitlines() == list(rows(leaves))


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(compile(example, str(DOCUMENT), "exec"), {})  # noqa: S102 - our own document
    order, payment = capsys.readouterr().out.splitlines()
    assert order.startswith("ReadOrder(message_id='M-20260504-0042'")
    assert "reference='CR0000000001', amount=123456, currency='CAD'" in payment
