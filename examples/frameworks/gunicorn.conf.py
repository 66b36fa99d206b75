"""Read by gunicorn's master, which makes the segment before there are workers."""

import os

from atomicx.shared import Segment

SEGMENT = os.environ.setdefault("SHOP_SEGMENT", "/dev/shm/shop")
workers, threads = 2, 4


def on_starting(server):
    Segment.create(SEGMENT, capacity=1000, replace=True)  # each start of the server counts from 0
