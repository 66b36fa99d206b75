"""The metrics of one application, which all of its workers share. Each worker imports this module."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from atomicx.prometheus import Collector
from atomicx.shared import Segment

segment = Segment.open_or_create(os.environ.get("SHOP_SEGMENT", "/dev/shm/shop"), capacity=1000)
requests = segment.counter("http_requests", "route", "status")
latency = segment.histogram("http_latency_seconds", [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], "route")
in_flight = segment.gauge("http_in_flight")

registry = CollectorRegistry()
Collector(registry).segment(segment, "Requests of the shop.")


def page():
    """Return what all workers together have counted, and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST
