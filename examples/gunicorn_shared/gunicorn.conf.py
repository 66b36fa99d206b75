"""What gunicorn reads in its master: it makes the segment, and the workers open it."""

import contextlib
import os

from atomicx.shared import Segment

SEGMENT = os.environ.setdefault("SHOP_SEGMENT", "/dev/shm/shop-segment")

workers = 3


def on_starting(server):
    """Each start of the server begins at nought; to go on with the old totals, open what is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SEGMENT)
    server.segment = Segment.create(SEGMENT, capacity=100)


def pre_fork(server, worker):
    """Workers come and go, and so do their process ids; their places stay, and a name is never given back."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(place for place in range(len(taken) + 1) if place not in taken)


def post_fork(server, worker):
    os.environ["SHOP_PLACE"] = str(worker.place)


def child_exit(server, worker):
    """What a worker had in flight when it was killed is in flight no more."""
    server.segment.int(f"in_flight.{worker.place}").store(0)


def on_exit(server):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SEGMENT)
