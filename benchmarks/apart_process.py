"""A process for cases that cannot be measured in the main one: apart_process.py HARNESS KIND ARGUMENT

Reads one JSON value per line. A list describes a case and is answered with a number; that number, sent back,
requests a sample.
"""

import gc
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[[str], Callable[[], dict[str, Any]]]


def load(path: str) -> Any:
    """Load the harness from its file, since its package may be the one that must not be imported here."""
    spec = importlib.util.spec_from_file_location("harness", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    return module


def outsider(folder: str) -> Make:
    """Return a maker for the types of the package called atomicx in this folder."""
    sys.path.insert(0, folder)
    import atomicx

    assert atomicx.__file__ is not None and Path(folder) in Path(atomicx.__file__).parents

    def made(type_name: str) -> Callable[[], dict[str, Any]]:
        make, start = getattr(atomicx, type_name), False if type_name == "AtomicBool" else 0
        return lambda: {"cell": make(start)}

    return made


def client(values: str) -> Make:
    """Return a maker for the metrics of prometheus_client, with its own values or with installed ones. The
    environment gives the mode, and its folder."""
    import prometheus_client

    if values == "installed":
        from atomicx.prometheus import install

        install()

    def made(type_name: str) -> Callable[[], dict[str, Any]]:
        make = getattr(prometheus_client, type_name)
        return lambda: {"cell": make("requests", "help", registry=None)}

    return made


KINDS = {"outsider": outsider, "client": client}


def main(harness_path: str, kind: str, argument: str) -> None:
    harness = load(harness_path)
    make = KINDS[kind](argument)
    samplers: list[Any] = []
    gc.disable()
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            print(samplers[request].sample_ns(), flush=True)
            continue
        what, statements, threads, shared, access, sample_seconds = request
        case = harness.Case("", (), what, tuple(statements), make(what))
        case = harness.replace(case, threads=threads, shared=shared, access=access)
        samplers.append(harness.LocalSampler(case, sample_seconds))
        print(len(samplers) - 1, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
