"""Sends load from a process of its own: by wrk where it is installed, else by sockets here."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

SCRIPT = Path(__file__).with_name("put_credit.lua")
LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What one run came to; latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def generator() -> str:
    """The name of what sends the load."""
    return "wrk" if shutil.which("wrk") else "our own"


def put_credit(url: str, *, connections: int, seconds: float, token: str, body: str) -> Load:
    """`PUT /credit` with a fresh key each, over so many connections."""
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "BENCH_RUN": uuid4().hex,
        "BENCH_TOKEN": token,
        "BENCH_BODY": body,
    }
    if generator() == "wrk":
        return _wrk(url, connections, seconds, environ)
    run = [sys.executable, __file__, url, str(connections), str(seconds)]
    done = subprocess.run(run, env=environ, check=True, capture_output=True, text=True)
    per_second, p50, p99, failed = done.stdout.split()
    return Load(float(per_second), float(p50), float(p99), int(failed))


def _wrk(url: str, connections: int, seconds: float, environ: Mapping[str, str]) -> Load:
    run = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "--timeout", "10s"]
    done = subprocess.run(
        [*run, "-s", str(SCRIPT), url], env=environ, check=True, capture_output=True, text=True
    )
    said = done.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate, said
    latency = {p: float(value) * IN_MS[unit] for p, value, unit in LATENCY.findall(said)}
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    failed = int(bad[1]) if bad else 0
    failed += sum(map(int, errors.groups())) if errors else 0
    return Load(float(rate[1]), latency["50"], latency["99"], failed)


async def _ours(host: str, port: int, connections: int, seconds: float) -> Load:
    token, body = os.environ["BENCH_TOKEN"], os.environ["BENCH_BODY"].encode()
    run = os.environ["BENCH_RUN"]
    took: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(host, port)
        sent = 0
        while (began := time.perf_counter()) < end:
            sent += 1
            head = (
                f"PUT /credit HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/json\r\nIdempotency-Key: {run}-{number}-{sent}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer)
            assert length
            await reader.readexactly(int(length[1]))
            took.append(time.perf_counter() - began)
            failed += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    took.sort()
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    return Load(len(took) / seconds, p50, p99, failed)


if __name__ == "__main__":
    import uvloop

    _, target, count, duration = sys.argv
    name, _, number = target.removeprefix("http://").partition(":")
    result = uvloop.run(_ours(name, int(number), int(count), float(duration)))
    print(result.per_second, result.p50_ms, result.p99_ms, result.failed)
