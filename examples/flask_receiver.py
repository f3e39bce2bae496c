"""A receiver with Flask: takes what is genuine, each event once and in order, refuses gaps.

pip install flask joserfc
JWKS_URL=… COMPANY=… STORE=events.db PORT=8000 python flask_receiver.py
"""

import json
import os
import sqlite3
from contextlib import closing

from flask import Flask, request

from jetpay.receiver import EventsMissing, KeysUnavailable, NotGenuine, Receiver, new_events

STORE = os.environ["STORE"]
MAXIMUM_BYTES = 1_000_000

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BYTES  # Flask answers 413 to more
receiver = Receiver(
    os.environ["JWKS_URL"],
    company=os.environ["COMPANY"],
    audience=os.environ.get("AUDIENCE"),
)
with closing(sqlite3.connect(STORE)) as store:
    store.executescript("""
        create table if not exists event (id integer primary key, type text, data text);
        create table if not exists cursor (one integer primary key, last_event_id integer);
        insert or ignore into cursor values (1, null);
    """)


@app.post("/webhooks/jetpay")
def receive() -> tuple[str, int]:
    body = request.get_data()  # the bytes as they came: they are what was signed
    try:
        delivery = receiver.verify(request.headers, body)
        take(delivery.events)
    except NotGenuine as problem:
        return str(problem), 401
    except KeysUnavailable as problem:
        return str(problem), 503
    except EventsMissing as problem:
        return str(problem), 409
    return "", 204


def take(events: list[dict]) -> None:
    """Events and cursor in one transaction; the work itself is done afterwards, from the store."""
    with closing(sqlite3.connect(STORE, isolation_level=None)) as store:
        store.execute("begin immediate")  # nobody else moves the cursor until the commit
        [last] = store.execute("select last_event_id from cursor").fetchone()
        for event in new_events(last, events):
            row = (event["id"], event["type"], json.dumps(event["data"]))
            store.execute("insert into event values (?, ?, ?)", row)
            store.execute("update cursor set last_event_id = ?", (event["id"],))
        store.execute("commit")


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8000")))
