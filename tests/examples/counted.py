"""The application that test_servers.py runs on every server: it counts each request in a segment that all
workers share."""

import asyncio
import os
import time
from urllib.parse import parse_qs

from atomicx.shared import Segment

HELD = "held"  # requests of this route never end
BOUNDS = [1, 10, 100]

segment = Segment.open_or_create(os.environ["COUNTED_SEGMENT"], 1000)
requests = segment.counter("requests", "route", "status")
sizes = segment.histogram("sizes", BOUNDS, "route")
latency = segment.histogram("latency", [0.1, 1], "route")
in_flight = segment.gauge("in flight", "route")
alive = segment.gauge("alive", "pid")


def count(route, size):
    """Count a request. Whoever gets the answer knows that it was counted."""
    alive.store(1, os.getpid())
    requests.inc(route, 200)
    with in_flight.track(route), latency.time(route):
        sizes.observe(size, route)
        while route == HELD:
            time.sleep(60)


def count_query(query):
    asked = parse_qs(query)
    count(asked["route"][0], int(asked["size"][0]))


def wsgi(environ, start_response):
    count_query(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
    return [b"counted\n"]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.to_thread(count_query, scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"counted\n"})
