"""A WSGI application that counts over all workers of a gunicorn server. To try it, in this folder:

    gunicorn --config gunicorn.conf.py app:application

/        answers, and is counted; /slow too, after a second
/totals  what all workers together have counted, as JSON
"""

import json
import os
import time

from atomicx.shared import Segment

# Made by the configuration, before there were workers.
segment = Segment.open(os.environ["SHOP_SEGMENT"])
requests = segment.int("requests")
seconds = segment.float("seconds")
# A cell for each place of a worker, since one that is killed cannot count down.
in_flight = segment.int(f"in_flight.{os.environ['SHOP_PLACE']}")


def application(environ, start_response):
    if environ["PATH_INFO"] == "/totals":
        return totals(start_response)
    began = time.perf_counter()
    with in_flight.track():
        requests.inc()
        if environ["PATH_INFO"] == "/slow":
            time.sleep(1)
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))])
        seconds.add(time.perf_counter() - began)
        return [b"hello\n"]


def totals(start_response):
    cells = {name: cell.load() for name, cell in segment.items()}
    flying = sum(value for name, value in cells.items() if name.startswith("in_flight."))
    body = json.dumps({"requests": cells["requests"], "seconds": cells["seconds"], "in_flight": flying})
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body.encode()]
