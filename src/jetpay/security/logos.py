"""A company's logo, made anew: whatever was uploaded is decoded in a process of its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UPLOADED_BYTES: Final = 512 * 1024
SECONDS: Final = 20
_BOX: Final = Path(__file__).with_name("logo_box.py")
_SAYS: Final = {
    3: "A logo is a PNG, JPEG or WebP image.",
    4: "A logo has at most 2,000 x 2,000 pixels.",
}


class NotALogo(ValueError):
    """Why a file cannot be a logo, as a sentence."""


@dataclass(frozen=True, slots=True)
class Logo:
    """A PNG of our own making."""

    png: bytes
    width: int
    height: int


def make_logo(uploaded: bytes) -> Logo:
    """The image as a small PNG without anything that was hidden in it. Raises `NotALogo`."""
    if len(uploaded) > UPLOADED_BYTES:
        raise NotALogo(f"A logo has at most {UPLOADED_BYTES // 1024} KiB.")
    try:
        box = subprocess.run(
            [sys.executable, "-I", str(_BOX)],
            input=uploaded,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotALogo(_SAYS[3]) from None
    if box.returncode:
        raise NotALogo(_SAYS.get(box.returncode, _SAYS[3]))
    width, height = (int.from_bytes(box.stdout[at : at + 4], "big") for at in (16, 20))
    return Logo(box.stdout, width, height)
