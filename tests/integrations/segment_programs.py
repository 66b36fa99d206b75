"""Shared by the tests of values in a segment: how programs that run in processes of their own begin."""

from pathlib import Path

from integrations.process import run

START = """
import ctypes, itertools, json, os, signal, subprocess, sys, threading, time, warnings
import prometheus_client as client
from prometheus_client import values
from atomicx._core import SharedPart
from atomicx.prometheus import AtomicSegmentValue, AtomicValue, SegmentCollector, install
from atomicx.shared import Segment
from integrations.page import in_openmetrics, in_text

def registry_of(collector):
    registry = client.CollectorRegistry()
    registry.register(collector)
    return registry

def page_of(registry):
    # Read back from both formats, which have the same samples but for the type of a value.
    pages = [
        {
            (metric.documentation, metric.type, sample.name, *sorted(sample.labels.items())): sample.value
            for metric in page(registry) for sample in metric.samples
        }
        for page in (in_text, in_openmetrics)
    ]
    assert len(pages[0]) == len(pages[1]) and list(pages[0].values()) == list(pages[1].values()), pages
    return pages[1]

def scraped(segment):
    page = page_of(registry_of(SegmentCollector(segment)))
    return {
        (name, *(value for label, value in labels if label != "pid")): value
        for (_, _, name, *labels), value in page.items()
    }

def put(segment, metric, series, apart=False):
    # A series that another program wrote: any metric, with any labels.
    return SharedPart(segment, b"\\0" + json.dumps(metric).encode(), json.dumps(series).encode(), apart)

def fork_in_c():
    return ctypes.PyDLL(None).fork()

signal.alarm(60)

class Child:
    # A child that works whenever it is told to, and lives until then.
    def __init__(self, work=None, fork=os.fork):
        told, self.tell = os.pipe()
        self.answer, answer = os.pipe()
        self.pid = fork()
        if not self.pid:
            os.close(self.tell)
            status = 1
            try:
                os.read(told, 1)
                if work is not None:
                    work()
                os.write(answer, b"x")
                os.read(told, 1)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(told)
        os.close(answer)

    def work(self):
        os.write(self.tell, b"x")
        assert os.read(self.answer, 1) == b"x"
        return self

    def end(self):
        os.write(self.tell, b"x")  # closing it would not do: a later child has a copy
        os.close(self.tell)
        assert os.waitpid(self.pid, 0)[1] == 0
        return self

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return self
"""
# Each metric twice: in the library's files, and in a segment. Both get the same updates.
TWICE = (
    START
    + """
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
warnings.simplefilter("ignore", ResourceWarning)  # the library closes its files only at process exit
segment = Segment.anonymous(2000, processes=8)
in_files = values.ValueClass
install(segment=segment)
in_segment = values.ValueClass
assert issubclass(in_segment, AtomicSegmentValue) and in_files is not in_segment

class Twice:
    def __init__(self, kind, *arguments, **options):
        self.metrics = []
        for values.ValueClass in (in_files, in_segment):
            self.metrics.append(kind(*arguments, registry=None, **options))

    def __getattr__(self, name):
        def both(*arguments):
            for metric in self.metrics:
                getattr(metric, name)(*arguments)
        return both

    def labels(self, *labels):
        result = object.__new__(Twice)
        result.metrics = []
        for values.ValueClass, metric in zip((in_files, in_segment), self.metrics):
            result.metrics.append(metric.labels(*labels))
        return result

def agree():
    library, ours = page_of(registry_of(MultiProcessCollector(None))), page_of(
        registry_of(SegmentCollector(segment)))
    different = {key: (library.get(key), ours.get(key)) for key in library | ours
        if library.get(key) != ours.get(key)}
    assert not different, different
    return ours
"""
)


def check(source: str, folder: Path | None = None) -> None:
    done = run("-c", source, folder=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
