"""Read by gunicorn's master process, which makes the segment; the workers open it."""

import os

from atomicx.shared import Segment

SEGMENT = os.environ.setdefault("SHOP_SEGMENT", "/dev/shm/shop-segment")
workers = 3


def on_starting(server):
    Segment.create(SEGMENT, capacity=1000, replace=True)  # each start of the server counts from 0


def on_exit(server):
    if not server.reexec_pid:  # else the path is that of the master that replaces this one
        os.unlink(SEGMENT)
