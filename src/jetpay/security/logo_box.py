"""Run by itself: an image on its input, a small PNG on its output; it can open nothing else."""

import io
import resource
import sys

from PIL import Image

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 10
SIDE_MAXIMUM = 2_000
SHOWN = (480, 160)
"""Twice what a page shows at most, for fine screens."""
PNG_BYTES = 20_000
FORMATS = ("PNG", "JPEG", "WEBP")
NO_IMAGE, TOO_LARGE = 3, 4


def redrawn(uploaded: bytes) -> bytes:
    """The first picture in it, small enough for a light page."""
    image = Image.open(io.BytesIO(uploaded), formats=FORMATS)
    if max(image.size) > SIDE_MAXIMUM:
        raise SystemExit(TOO_LARGE)
    picture = image.convert("RGBA")
    picture.thumbnail(SHOWN)
    drawn = as_png(picture)
    while len(drawn) > PNG_BYTES:
        drawn = as_png(picture.quantize(128))
        picture.thumbnail((picture.width * 3 // 4, picture.height * 3 // 4))
    return drawn


def as_png(picture: Image.Image) -> bytes:
    """Pixels alone: no words, places or profiles from the original."""
    bare = Image.new(picture.mode, picture.size)
    if picture.mode == "P":
        bare.putpalette(picture.getpalette("RGBA") or [], "RGBA")
    bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Every limit before the first byte of the image is looked at."""
    Image.init()
    uploaded = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # no file, no socket
    try:
        drawn = redrawn(uploaded)
    except Exception:  # noqa: BLE001 - whatever a decoder raises, it was no image
        raise SystemExit(NO_IMAGE) from None
    sys.stdout.buffer.write(drawn)


if __name__ == "__main__":
    main()
