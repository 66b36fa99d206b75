"""What the tests of several files in here ask for."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def sdk() -> Iterator[Any]:
    """OpenTelemetry's SDK, with a reader of each temporality."""
    from integrations.otel import Sdk  # only here: it is not there in every test run

    sdk = Sdk()
    yield sdk
    sdk.provider.shutdown()
