"""Shared by the tests of atomicx.prometheus: a registry's page, read back by the library's own parsers."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text


def in_text(registry: Any) -> Iterable[Any]:
    """Return the metrics of the page in Prometheus' text format."""
    return parse_text(generate_latest(registry).decode())


def in_openmetrics(registry: Any) -> Iterable[Any]:
    """Return the metrics of the page in the OpenMetrics format, which is the stricter one."""
    return parse_openmetrics(openmetrics.generate_latest(registry).decode())
