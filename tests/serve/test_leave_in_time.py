"""A process that was told to leave is gone in time, even when nothing of Python runs in it."""

import signal
import subprocess
import sys

from tests.patience import PATIENCE_SECONDS

# A library that is called with Python's lock held lets no thread and no handler of ours run.
STUCK = """
import ctypes
from jetpay.serve import child
child.LEAVES_WITHIN_SECONDS = 0.5
child.leave_when_told()
child.leave_in_time()
while True:
    ctypes.PyDLL(None).sleep(30)
"""


def test_a_process_that_is_stuck_in_a_library_is_cut_off() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == -signal.SIGALRM
