"""A command's process; it imports little, for what it imports, each of them does."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

from jetpay.__main__ import main

# Each command is a process of its own, forked from one that has imported everything already.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "jetpay.cli.commands", "jetpay.cli.tail"])


def be_jetpay(arguments: tuple[str, ...], environment: dict[str, str], files: list[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (file, flag) in enumerate(zip(files, flags, strict=True)):
        os.dup2(os.open(file, flag), number)
    sys.stdin = os.fdopen(0)
    sys.argv = ["jetpay", *arguments]
    # As in a terminal, also where a shell in the background started the tests, who ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
