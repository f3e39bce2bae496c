"""A receiver with Django: takes what is genuine, each event once and in order, refuses gaps.

    pip install django joserfc
    JWKS_URL=… COMPANY=… STORE=events.db PORT=8000 python django_receiver.py

The settings stand here so that one file runs; of a project of yours, take the view.
"""

import json
import os

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.management import execute_from_command_line
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jetpay.receiver import EventsMissing, KeysUnavailable, NotGenuine, Receiver, new_events

MAXIMUM_BYTES = 1_000_000

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    DATA_UPLOAD_MAX_MEMORY_SIZE=MAXIMUM_BYTES,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["STORE"],
            # With PostgreSQL or MySQL, `select … for update` does what this does.
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
)
receiver = Receiver(
    os.environ["JWKS_URL"],
    company=os.environ["COMPANY"],
    audience=os.environ.get("AUDIENCE"),
)


@csrf_exempt  # the signature says who sent it; there is no browser
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    try:
        body = request.body  # the bytes as they came: they are what was signed
        delivery = receiver.verify(request.headers, body)
        take(delivery.events)
    except RequestDataTooBig:
        return HttpResponse(status=413)
    except NotGenuine as problem:
        return HttpResponse(str(problem), status=401)
    except KeysUnavailable as problem:
        return HttpResponse(str(problem), status=503)
    except EventsMissing as problem:
        return HttpResponse(str(problem), status=409)
    return HttpResponse(status=204)


def take(events: list[dict]) -> None:
    """Events and cursor in one transaction; the work itself is done afterwards, from the store."""
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("select last_event_id from cursor")
        [last] = sql.fetchone()
        for event in new_events(last, events):
            row = (event["id"], event["type"], json.dumps(event["data"]))
            sql.execute("insert into event values (%s, %s, %s)", row)
            sql.execute("update cursor set last_event_id = %s", (event["id"],))


urlpatterns = [path("webhooks/jetpay", receive)]

if __name__ == "__main__":
    with connection.cursor() as sql:
        sql.execute(
            "create table if not exists event (id integer primary key, type text, data text)"
        )
        sql.execute(
            "create table if not exists cursor (one integer primary key, last_event_id integer)"
        )
        sql.execute("insert or ignore into cursor values (1, null)")
    address = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
    execute_from_command_line(["django_receiver", "runserver", "--noreload", address])
