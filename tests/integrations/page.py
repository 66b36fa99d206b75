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


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(families: Any) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def scraped(registry: Any) -> Samples:
    """Return the samples, which must be the same in both formats but for the names of creation times."""
    text = samples_of(in_text(registry))
    strict = samples_of(in_openmetrics(registry))
    assert text == strict
    return {key: value for key, value in text.items() if not key[0].endswith("_created")}


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def types_of(registry: Any) -> dict[str, tuple[str, str, str]]:
    families = in_openmetrics(registry)
    return {family.name: (family.type, family.documentation, family.unit) for family in families}
