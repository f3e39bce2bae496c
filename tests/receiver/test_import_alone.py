"""The kit needs joserfc and cryptography and nothing else of what the server needs."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jetpay.receiver

NEEDED = ("joserfc", "cryptography", "cffi", "pycparser")
SCRIPT = """
import sys
from {module} import Receiver, StandardReceiver, new_events
from importlib.util import find_spec
for name in ("aiohttp", "fastapi", "psycopg", "pydantic", "orjson", "typer", "structlog"):
    assert find_spec(name) is None, name
print(*sorted(name for name in sys.modules if name.split(".")[0] == "jetpay"))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages as `pip install joserfc` makes it."""
    folder = tmp_path / "site"
    for name in NEEDED:
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue  # not every machine needs each of them
        for file in files:
            if ".." not in file.parts and file.suffix != ".pyc":
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).symlink_to(Path(str(file.locate())))
    return folder


def imported(site: Path, module: str) -> str:
    # -I and -S: neither the folder of this test nor any installed package is seen.
    script = f"import sys; sys.path.append({str(site)!r})" + SCRIPT.format(module=module)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_package_without_the_servers_dependencies(site: Path) -> None:
    source = Path(jetpay.receiver.__file__).parent
    (site / "jetpay").symlink_to(source, target_is_directory=True)
    assert imported(site, "jetpay.receiver") == "jetpay jetpay.receiver"


def test_the_one_file_alone(site: Path) -> None:
    shutil.copy(jetpay.receiver.__file__, site / "jetpay_receiver.py")
    assert imported(site, "jetpay_receiver") == ""
