"""prometheus_client as it is, and with the values that atomicx.prometheus.install() puts into it.

The class of values is chosen once per process, and so is the library's multiprocess mode, so each combination
is measured in a process of its own. The stock library outside that mode is a peer like others.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from atomicx.bench.harness import Case
from atomicx.bench.operations import SUBJECT

from .apart import ApartProcess

LIBRARY = "prometheus_client"
STOCK = "prometheus_client.Counter.inc()"
INSTALLED = f"{STOCK}, installed"
STOCK_FILES = f"{STOCK}, multiprocess mode"
INSTALLED_FILES = f"{STOCK}, multiprocess mode, installed"


@dataclass(frozen=True)
class Way:
    """A way to run the library."""

    label: str
    subject: str
    job: str
    values: str
    multiprocess: bool

    def case(self) -> Case:
        # The object made here is never used: the process makes its own.
        return Case(self.subject, (self.job,), self.label, ("cell.inc()",), dict)

    def process(self) -> "ClientProcess":
        return ClientProcess(self.values, multiprocess=self.multiprocess)


WAYS = (
    Way(INSTALLED, SUBJECT, "client.inc", "installed", multiprocess=False),
    Way(STOCK_FILES, LIBRARY, "client.multiprocess.inc", "stock", multiprocess=True),
    Way(INSTALLED_FILES, SUBJECT, "client.multiprocess.inc", "installed", multiprocess=True),
)


def client_cases() -> list[Case]:
    """Return a counter of the library, in each way that needs a process of its own."""
    return [way.case() for way in WAYS]


def opener(case: Case) -> Callable[[], ApartProcess] | None:
    """Return the function that starts the case's process; None if the case is not one of these."""
    return next((way.process for way in WAYS if way.label == case.label), None)


class ClientProcess(ApartProcess):
    """The process in which the library counts in one of these ways. In multiprocess mode it counts into files
    of its own, which are removed with it."""

    def __init__(self, values: str, *, multiprocess: bool) -> None:
        self._folder = tempfile.mkdtemp(prefix="atomicx-client-") if multiprocess else None
        environment = {} if self._folder is None else {"PROMETHEUS_MULTIPROC_DIR": self._folder}
        super().__init__("client", values, environment=environment)

    def what_it_makes(self, case: Case) -> str:
        return "Counter"

    def close(self) -> None:
        super().close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
