"""No address is overrun, whichever companies call it; each process keeps its own count."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

CONNECTIONS: Final = 20
CONNECTIONS_OF_OTHERS: Final = 10
"""Of these, for who did not get a prompt 2xx there of late: whose calls hang hold up no other."""
PROMPT_SECONDS: Final = 3.0
REQUESTS_A_SECOND: Final = 100
CALLS_JUDGED: Final = 20
"""When more than half of so many calls failed, the address rests."""
FIRST_REST_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 60.0
BUSY_SECONDS: Final = 1.0
ADDRESSES_KEPT: Final = 5_000
WELCOME_KEPT: Final = 10_000


class DestinationBusy(Exception):
    """Nothing was sent, to spare the address; `retry_in` seconds later it may be tried again."""

    def __init__(self, retry_in: float) -> None:
        self.retry_in = retry_in
        super().__init__("This address gets as many calls as it may.")


@dataclass(slots=True)
class _Address:
    """`next_at`: when the next request would be due if they came evenly."""

    next_at: float = 0.0
    open: int = 0
    open_of_others: int = 0
    calls: int = 0
    failed: int = 0
    rest_seconds: float = 0.0
    rests_until: float = 0.0


@dataclass(slots=True)
class Slot:
    """A connection that counts."""

    _address: _Address
    of_others: bool

    def release(self) -> None:
        """Once."""
        self._address.open -= 1
        self._address.open_of_others -= self.of_others


class Destinations:
    """Counts by address. Whom one answered promptly with 2xx last is welcome and need not rest."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        scatter: Callable[[], float] = random.random,
    ) -> None:
        self._monotonic = monotonic
        self._scatter = scatter
        self._addresses: OrderedDict[Hashable, _Address] = OrderedDict()
        self._welcome: OrderedDict[tuple[Hashable, Hashable], None] = OrderedDict()

    def request(self, address: Hashable, caller: Hashable) -> None:
        """One more request. Raises `DestinationBusy`."""
        found, now = self._found(address), self._monotonic()
        if now < found.rests_until and (address, caller) not in self._welcome:
            raise self._busy(found.rests_until - now)
        due = max(found.next_at, now) + 1 / REQUESTS_A_SECOND
        if due > now + 1:
            raise self._busy(0.0)
        found.next_at = due

    def connect(self, address: Hashable, caller: Hashable) -> Slot:
        """One more connection, until the slot is released. Raises `DestinationBusy`."""
        found = self._found(address)
        of_others = (address, caller) not in self._welcome
        if self.is_full(address) or (of_others and found.open_of_others >= CONNECTIONS_OF_OTHERS):
            raise self._busy(0.0)
        found.open += 1
        found.open_of_others += of_others
        return Slot(found, of_others)

    def is_full(self, address: Hashable) -> bool:
        """Whether even who is welcome can make no connection."""
        return self._found(address).open >= CONNECTIONS

    def ended(
        self, address: Hashable, caller: Hashable, *, well: bool, seconds: float = 0.0
    ) -> None:
        """How a call ended: with a 2xx or not, after how long."""
        key = (address, caller)
        self._welcome.pop(key, None)
        if well and seconds <= PROMPT_SECONDS:
            self._welcome[key] = None
            if len(self._welcome) > WELCOME_KEPT:
                self._welcome.popitem(last=False)
        found = self._found(address)
        found.calls += 1
        found.failed += not well
        if found.calls < CALLS_JUDGED:
            return
        if found.failed * 2 > found.calls:
            longer = max(FIRST_REST_SECONDS, found.rest_seconds * 2)
            found.rest_seconds = min(longer, LONGEST_REST_SECONDS)
            found.rests_until = self._monotonic() + found.rest_seconds
        else:
            found.rest_seconds = 0.0
        found.calls = found.failed = 0

    def _busy(self, seconds: float) -> DestinationBusy:
        # Scattered, so that those who wait do not all come back at once.
        return DestinationBusy(seconds + BUSY_SECONDS * (0.5 + self._scatter()))

    def _found(self, address: Hashable) -> _Address:
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = _Address()
            self._forget()
        self._addresses.move_to_end(address)
        return found

    def _forget(self) -> None:
        """The one unused for longest; those with open connections are few, and stay."""
        while len(self._addresses) > ADDRESSES_KEPT:
            oldest = next((key for key, each in self._addresses.items() if not each.open), None)
            if oldest is None:
                return
            del self._addresses[oldest]
