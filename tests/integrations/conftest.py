"""Fixtures for the tests of several files in this folder."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def registry() -> Any:
    """Return an empty registry of prometheus_client."""
    from prometheus_client import CollectorRegistry  # imported here, since not every test run has it

    return CollectorRegistry()


@pytest.fixture
def sdk() -> Iterator[Any]:
    """Return OpenTelemetry's SDK, with a reader for each temporality."""
    from integrations.otel import Sdk  # imported here, since not every test run has it

    sdk = Sdk()
    yield sdk
    sdk.provider.shutdown()
