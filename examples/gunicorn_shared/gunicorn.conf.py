"""What gunicorn reads in its master: it makes the segment, and the workers open it."""

import os

from atomicx.shared import Segment

SEGMENT = os.environ.setdefault("SHOP_SEGMENT", "/dev/shm/shop-segment")
workers = 3


def on_starting(server):
    Segment.create(SEGMENT, capacity=1000, replace=True)  # each start of the server begins at 0


def on_exit(server):
    os.unlink(SEGMENT)
