"""What is us on the network: our interfaces, and the services that we are made of."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from jetpay.security.address_table import Address, canonical
from jetpay.security.vetting import Resolve, Surroundings

LOOK_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 60.0

Place = tuple[str, int]


def is_own_address(address: Address) -> bool:
    """Whether one of our interfaces has it: the kernel answers from the address itself."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))  # sends nothing: only picks a route
            own = probe.getsockname()[0]
        except OSError:
            return False
    return bool(own == str(address))


async def ask_system(host: str, port: int) -> Sequence[str]:
    """As whatever else of us reaches that service would; not for what a company typed."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


class Ourselves:
    """Looks our services up once a minute; one that is not found now stays where it was."""

    def __init__(
        self,
        places: Iterable[Place] = (),
        *,
        ports: Iterable[int] = (),
        is_ours: Callable[[Address], bool] = is_own_address,
        resolve: Resolve = ask_system,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`places`: host and port of services that no company may reach; `ports`: our own."""
        self._places = frozenset(places)
        self._ports = frozenset(ports)
        self._is_ours = is_ours
        self._resolve = resolve
        self._monotonic = monotonic
        self._found: dict[Place, Sequence[Address]] = {}
        self._known: Surroundings | None = None
        self._until = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def surroundings(self) -> Surroundings:
        """Waits for the first look alone; later ones happen beside."""
        if self._looking is None and (self._known is None or self._monotonic() >= self._until):
            self._looking = asyncio.create_task(self._look())
        while self._known is None:
            assert self._looking is not None
            await asyncio.shield(self._looking)
        return self._known

    async def addresses(self, place: Place) -> Sequence[Address]:
        """Of one of our services, in the order in which they are to be tried."""
        await self.surroundings()
        return self._found.get(place, ())

    async def close(self) -> None:
        """Ends a look-up that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        try:
            await asyncio.gather(*(self._look_up(place) for place in self._places))
        finally:
            guarded = frozenset(
                (address, port) for (_, port), found in self._found.items() for address in found
            )
            names = frozenset(host.lower() for host, _ in self._places)
            self._known = Surroundings(self._is_ours, guarded, self._ports, names)
            self._until = self._monotonic() + KEPT_SECONDS
            self._looking = None

    async def _look_up(self, place: Place) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await self._resolve(*place)
        except (OSError, TimeoutError):
            return
        addresses = [canonical(each) for each in dict.fromkeys(found)]
        self._found[place] = [each for each in addresses if each is not None]
