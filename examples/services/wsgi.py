"""A WSGI service on threads that counts what it does. To try it, from the top of a clone:

    python -m gunicorn --chdir examples/services --threads 16 wsgi:application

/           answers after a hundredth of a second, or 503 at once while it works on LIMIT others
/error      fails, which is also counted
/metrics    what was counted, for Prometheus
"""

import logging
import time
from http.client import responses

from metrics import LIMIT, WORK_SECONDS, in_flight, latency, registry, requests, working
from prometheus_client import make_wsgi_app


def work():
    time.sleep(WORK_SECONDS)  # as if for a database
    return "hello\n"


def fail():
    raise RuntimeError("this was asked for")


ROUTES = {"/": work, "/error": fail}
exposition = make_wsgi_app(registry)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        return exposition(environ, start_response)
    began = time.perf_counter()
    with in_flight.track():
        status, text = answer(ROUTES.get(path))
        # Before the answer is sent, so that a client that has the answer finds it counted.
        requests[path if path in ROUTES else "unknown", status].inc()
        latency[status].observe(time.perf_counter() - began)
    body = text.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    if status == 503:
        headers.append(("Retry-After", "1"))
    start_response(f"{status} {responses[status]}", headers)
    return [body]


def answer(handler):
    if handler is None:
        return 404, "not found\n"
    if not working.try_add(1, LIMIT):  # checking first and adding later could admit two for one slot
        return 503, "busy\n"
    try:
        return 200, handler()
    except Exception:
        logging.exception("a request failed")
        return 500, "error\n"
    finally:
        working.dec()
