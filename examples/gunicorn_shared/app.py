"""A WSGI application that counts across all workers of a gunicorn server. To try it, in this folder:

    gunicorn --config gunicorn.conf.py app:application

/        answers, and is counted; /slow too, after a second
/totals  what all workers together have counted, as JSON
"""

import json
import os
import time

from atomicx.shared import Segment

segment = Segment.open(os.environ["SHOP_SEGMENT"])  # the configuration made it before there were workers
requests = segment.counter("requests", "path", "status")
latency = segment.histogram("latency", [0.01, 0.1, 1, 10], "path")
in_flight = segment.gauge("in_flight")  # what a killed worker had in flight disappears by itself


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/totals":
        body = json.dumps(
            {
                "requests": sum(child.load() for _, child in requests.items()),
                "in_flight": in_flight.load(),
                "latency": {labels[0]: child.snapshot().counts for labels, child in latency.items()},
            }
        ).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body]
    with in_flight.track(), latency.time(path):
        requests.inc(path, 200)
        if path == "/slow":
            time.sleep(1)
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))])
        return [b"hello\n"]
