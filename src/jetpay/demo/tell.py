"""How the story is printed: each request with its answer, secrets shortened."""

import json
import re
import sys
from typing import Any, Final, TextIO

WIDTH: Final = 96
TOKEN: Final = re.compile(r"jetpay_(live|test)_[0-9A-Za-z]{4}[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=]{4,}")
LINK: Final = re.compile(r"(/payment/pay/[0-9A-Za-z_-]{6})[0-9A-Za-z_-]+")
HIDDEN: Final = frozenset({"account_number", "account_number_again", "callback_api_key"})
FOLLOWING: Final = "    "


class Teller:
    """Writes to `out`; says nothing when that is None."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._step = 0

    @classmethod
    def on_stdout(cls) -> "Teller":
        return cls(sys.stdout)

    def step(self, title: str) -> None:
        self._step += 1
        self._line(f"\n{self._step:2}  {title}")

    def asked(self, method: str, path: str, sent: Any = None) -> None:
        self._line(f"{FOLLOWING}→ {method} {path}" + (f" {shortened(sent)}" if sent else ""))

    def answered(self, status: int, said: Any = None) -> None:
        self._line(f"{FOLLOWING}← {status}" + (f" {shortened(said)}" if said is not None else ""))

    def note(self, text: str) -> None:
        self._line(f"{FOLLOWING}{text}")

    def plain(self, text: str = "") -> None:
        """Unshortened: what shall be clicked or copied."""
        if self._out is not None:
            print(text, file=self._out, flush=True)

    def _line(self, text: str) -> None:
        text = LINK.sub(r"\1…", TOKEN.sub(lambda found: found[0][:16] + "…", text))
        first, *others = _wrapped(text)
        self.plain("\n".join([first, *(f"{FOLLOWING}  {line}" for line in others)]))


def shortened(value: Any) -> str:
    """JSON on one line; of account numbers the last three digits."""
    if not isinstance(value, dict):
        return str(value)
    shown = {
        key: f"•••{item[-3:]}" if key in HIDDEN and isinstance(item, str) else item
        for key, item in value.items()
    }
    return json.dumps(shown, ensure_ascii=False)


def _wrapped(text: str) -> list[str]:
    head = text[: len(text) - len(text.lstrip("\n"))]
    lines, rest = [], text.lstrip("\n")
    while len(rest) > WIDTH:
        cut = rest.rfind(" ", len(FOLLOWING) + 8, WIDTH)
        cut = cut if cut > 0 else WIDTH
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    first, *others = [*lines, rest]
    return [head + first, *others]
