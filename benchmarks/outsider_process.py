"""The process in which the other package called atomicx is measured: outsider_process.py HARNESS FOLDER

Reads a JSON value a line: a list describes a case and is answered by a number, which then asks for a sample.
"""

import gc
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The harness, by its file: its package is the one that must not be imported here."""
    spec = importlib.util.spec_from_file_location("harness", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    return module


def main(harness_path: str, folder: str) -> None:
    harness = load(harness_path)
    sys.path.insert(0, folder)
    import atomicx

    assert atomicx.__file__ is not None and Path(folder) in Path(atomicx.__file__).parents
    samplers: list[Any] = []
    gc.disable()
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            print(samplers[request].sample_ns(), flush=True)
            continue
        type_name, statements, threads, shared, access, sample_seconds = request
        start = False if type_name == "AtomicBool" else 0
        make = getattr(atomicx, type_name)
        case = harness.Case(
            "", (), type_name, tuple(statements), lambda make=make, start=start: {"cell": make(start)}
        )
        case = harness.replace(case, threads=threads, shared=shared, access=access)
        samplers.append(harness.LocalSampler(case, sample_seconds))
        print(len(samplers) - 1, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
