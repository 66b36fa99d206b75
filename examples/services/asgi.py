"""The service of wsgi.py on coroutines, with the same cells. To try it, from the top of a clone:

    python -m uvicorn --app-dir examples/services --no-access-log asgi:application

The paths are the same.
"""

import asyncio
import logging
import time

from metrics import LIMIT, WORK_SECONDS, in_flight, latency, registry, requests, working
from prometheus_client import make_asgi_app


async def work():
    await asyncio.sleep(WORK_SECONDS)  # as if for a database
    return "hello\n"


async def fail():
    raise RuntimeError("this was asked for")


ROUTES = {"/": work, "/error": fail}
exposition = make_asgi_app(registry)


async def application(scope, receive, send):
    if scope["type"] != "http":  # servers also ask for a lifespan, and go on without it
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    if path == "/metrics":
        await exposition(scope, receive, send)
        return
    began = time.perf_counter()
    with in_flight.track():
        status, text = await answer(ROUTES.get(path))
        # Before the answer is sent, so that a client that has the answer finds it counted.
        requests[path if path in ROUTES else "unknown", status].inc()
        latency[status].observe(time.perf_counter() - began)
    body = text.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer(handler):
    if handler is None:
        return 404, "not found\n"
    if not working.try_add(1, LIMIT):  # checking first and adding later could admit two for one slot
        return 503, "busy\n"
    try:
        return 200, await handler()
    except Exception:
        logging.exception("a request failed")
        return 500, "error\n"
    finally:
        working.dec()
