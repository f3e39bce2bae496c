"""One colour of a company, and what is made of it so that everybody can read the page."""

from typing import Final

RGB = tuple[int, int, int]

TEXT_CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3; lines and buttons need 3 (1.4.11), and get the same."""
INK: Final = "#10201b"
WHITE: Final = "#ffffff"
LIGHT_GROUNDS: Final = ("#ffffff", "#f5f6f3", "#eef1ef")
DARK_GROUNDS: Final = ("#1a211f", "#111614", "#242d2a")
"""What text stands on in payment.css: card, page, notice."""
_STEPS: Final = 50


def contrast(one: str, other: str) -> float:
    """1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str, grounds: tuple[str, ...]) -> str:
    """The colour, or the nearest darker or lighter one that can be read on all of `grounds`."""
    towards = INK if _luminance(grounds[0]) > 0.5 else WHITE  # noqa: PLR2004 - light or dark
    for step in range(_STEPS + 1):
        mixed = _mix(colour, towards, step / _STEPS)
        if all(contrast(mixed, ground) >= TEXT_CONTRAST for ground in grounds):
            return mixed
    return towards


def written_on(colour: str) -> str:
    """Ink or white: whichever can be read on it better."""
    return max((WHITE, INK), key=lambda each: contrast(each, colour))


def stylesheet(colour: str) -> str:
    """Custom properties for both schemes. `colour`: `#rrggbb` in lower case."""
    light, dark = readable(colour, LIGHT_GROUNDS), readable(colour, DARK_GROUNDS)
    return (
        f":root{{--strong:{light};--on-strong:{written_on(light)}}}\n"
        "@media (prefers-color-scheme:dark){"
        f":root{{--strong:{dark};--on-strong:{written_on(dark)}}}}}\n"
    )


def _luminance(colour: str) -> float:
    parts = [each / 255 for each in _rgb(colour)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(colour: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(colour), _rgb(other), strict=True))
    return "#" + "".join(f"{each:02x}" for each in mixed)


def _rgb(colour: str) -> RGB:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
