"""The tables of the documents, made from the results files, with one column per interpreter."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from atomicx.bench.alternatives import LOCKED
from atomicx.bench.operations import SUBJECT

from . import model, results, targets
from .floor import NOTHING
from .floor import SUBJECT as FLOOR

Record = dict[str, Any]
# Returns the text of a case's table cell.
CellText = Callable[[Record], str]

BRIEF = (
    "AtomicInt.inc()",
    "AtomicInt.load()",
    "AtomicInt.compare_and_set(a, b)",
    "Counter.inc()",
    "AtomicRef.load()",
)
# The rows of the table for users. A row that no results file has is left out.
USUAL = (
    "AtomicInt.inc()",
    "AtomicInt.load()",
    "AtomicInt.fetch_add()",
    "AtomicInt.compare_and_set(a, b)",
    "with AtomicInt.track()",
    "with a guard of AtomicInt.track()",
    "AtomicRef.load()",
    "Counter.inc()",
    "Counter.load()",
    "Histogram.observe(x)",
    "ExponentialHistogram.observe(x)",
    "Family.inc(a, b)",
    "Family[a, b].inc()",
    "SharedInt.inc()",
)
# With two threads, these show what limits them: the call, the cell, or neither.
SCALED = (
    NOTHING,
    LOCKED,
    "AtomicInt.inc()",
    "AtomicRef.load()",
    "Counter.inc()",
    "AtomicInt.inc(), loop in C",
    "Counter.inc(), loop in C",
)
ABSENT = "-"
# The name of a case: Python code, then words that say how it is used.
IN_WORDS = re.compile(
    r"(.*?)((?: of an? .*| with its .*|, loop in C.*|, \w+ access.*|, \d+ (?:threads?|stripe).*| in stripes.*"
    r"|, (?:installed|multiprocess|striped).*)?)"
)


class Results(NamedTuple):
    """The content of the results files: of times, instructions, variants, services,
    scrapes, endurance and latencies."""

    times: list[results.ResultsFile]
    instructions: list[results.ResultsFile]
    variants: list[results.ResultsFile]
    services: list[results.ResultsFile]
    scrapes: list[results.ResultsFile] = []  # noqa: RUF012 - a named tuple's default, which nothing changes
    endurance: list[results.ResultsFile] = []  # noqa: RUF012 - a named tuple's default, which nothing changes
    latencies: list[results.ResultsFile] = []  # noqa: RUF012 - a named tuple's default, which nothing changes


def read_results(folder: Path) -> Results:
    kinds = (
        results.TIMES,
        results.INSTRUCTIONS,
        results.VARIANTS,
        results.SERVICES,
        results.SCRAPES,
        results.ENDURANCE,
        results.LATENCIES,
    )
    return Results(*(results.read(kind, folder) for kind in kinds))


def markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, rule, *body))


def code(name: str) -> str:
    """Return the name of a case for a document, with the Python in it marked as code."""
    found = IN_WORDS.fullmatch(name)
    python, words = found.groups() if found else (name, "")
    return f"`{python}`{words}" if re.search(r"[(\[]|\+=", python) else name


def build_name(result: results.ResultsFile) -> str:
    interpreter = result["interpreter"]
    return f"CPython {interpreter['version']}, " + ("with the GIL" if interpreter["gil"] else "no GIL")


def source(known: list[results.ResultsFile]) -> str:
    """Return where and when the figures were measured, for each machine."""
    machines = {
        f"{result['machine']['processor']}, {result['machine']['cores']} cores, "
        f"{result['date']}, commit {result['atomicx']['commit'][:12]}"
        for result in known
    }
    return "\nMeasured on: " + "; ".join(sorted(machines)) + ".\n"


def by_name(result: results.ResultsFile) -> dict[str, Record]:
    return {case["name"]: case for case in result["cases"]}


def nanoseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def grid(
    known: list[results.ResultsFile], heading: str, wanted: Callable[[Record], bool], cell: CellText
) -> str:
    """Return a table with a row for every wanted case that any results file has, in the files' order."""
    indexed = [by_name(result) for result in known]
    names = dict.fromkeys(name for index in indexed for name, case in index.items() if wanted(case))
    rows = [[heading, *(build_name(result) for result in known)]]
    for name in names:
        cells = [cell(index[name]) if name in index else ABSENT for index in indexed]
        rows.append([code(name), *cells])
    return markdown(rows)


def is_basic(case: Record) -> bool:
    return case["access"] == "local" and case["threads"] == 1 and "loop" not in case["name"]


def brief(known: Results) -> str:
    """Return the cost of the usual operations, and the speed-up of each over one locked addition."""
    indexed = [by_name(result) for result in known.times]
    rows = [["operation", *(build_name(result) for result in known.times)]]
    for name in (*BRIEF, LOCKED):
        cells = [code(name)]
        for index in indexed:
            taken, lock = index[name]["median_ns"], index[LOCKED]["median_ns"]
            cells.append(f"{taken:.0f} ns" + ("" if name == LOCKED else f" ({lock / taken:.1f} x)"))
        rows.append(cells)
    return markdown(rows) + source(known.times)


def usual(known: Results) -> str:
    """Return the cost of the usual operations, also as a multiple of an empty C method's call."""

    def cell(index: dict[str, Record], name: str) -> str:
        if name not in index:
            return ABSENT
        taken = index[name]["median_ns"]
        return f"{nanoseconds(taken)} ns, {taken / index[NOTHING]['median_ns']:.1f} x"

    indexed = [by_name(result) for result in known.times]
    rows = [["operation", *(build_name(result) for result in known.times)]]
    measured = [name for name in (NOTHING, *USUAL, LOCKED) if any(name in index for index in indexed)]
    rows += [[code(name), *(cell(index, name) for index in indexed)] for name in measured]
    return markdown(rows) + source(known.times)


def floors(known: Results) -> str:
    """Return what an empty C method costs."""

    def wanted(case: Record) -> bool:
        return case["subject"] == FLOOR and is_basic(case)

    return grid(
        known.times, "C method that does nothing", wanted, lambda case: nanoseconds(case["median_ns"])
    )


def operations(known: Results) -> str:
    """Return our operations with one thread: nanoseconds, quartiles, and the ratio to the floor."""

    def cell(case: Record) -> str:
        spread = f"{nanoseconds(case['lower_quartile_ns'])} to {nanoseconds(case['upper_quartile_ns'])}"
        floor = case["of_floor"]
        return f"{nanoseconds(case['median_ns'])} ({spread})" + ("" if floor is None else f", {floor:.2f} x")

    return grid(
        known.times, "operation", lambda case: case["subject"] == SUBJECT and is_basic(case), cell
    ) + source(known.times)


def alternatives(known: Results) -> str:
    """Return the alternatives for the same jobs, and how many times as long they take."""
    indexed = [by_name(result) for result in known.times]
    others = [case for index in indexed for case in index.values() if is_basic(case) and is_alternative(case)]
    names = {case["name"]: case for case in others}
    rows = [["alternative", "compared with", *(build_name(result) for result in known.times)]]
    for name, case in names.items():
        ours = equivalent(case, indexed)
        cells = [_compared(index.get(name), index.get(ours or "")) for index in indexed]
        rows.append([code(name), code(ours) if ours else ABSENT, *cells])
    return markdown(rows) + notes(names.values()) + absences(known.times)


def notes(cases: Iterable[Record]) -> str:
    """Return the notes on some of the cases, once for all cases of one package."""
    told: dict[str, list[Record]] = {}
    for case in cases:
        told.setdefault(case["note"], []).append(case)
    told.pop("", None)
    whose = {
        note: code(noted[0]["name"]) if len(noted) == 1 else noted[0]["subject"]
        for note, noted in told.items()
    }
    return "".join(f"\n{whose[note]}: {note}.\n" for note in told)


def is_alternative(case: Record) -> bool:
    return case["subject"] not in (SUBJECT, FLOOR)


def equivalent(case: Record, indexed: Iterable[dict[str, Record]]) -> str | None:
    """Return the name of our first operation that does one of the jobs of this case."""
    return next(
        (
            name
            for job in case["jobs"]
            for index in indexed
            for name, other in index.items()
            if other["subject"] == SUBJECT and is_basic(other) and job in other["jobs"]
        ),
        None,
    )


def _compared(theirs: Record | None, ours: Record | None) -> str:
    if theirs is None:
        return "absent"
    taken = theirs["median_ns"]
    return nanoseconds(taken) + ("" if ours is None else f", {taken / ours['median_ns']:.1f} x")


def absences(known: list[results.ResultsFile]) -> str:
    """Return which packages were absent, and why."""
    told = [
        f"{name} on CPython {result['interpreter']['name']} ({reason})"
        for result in known
        for name, reason in result["absent"].items()
    ]
    return "\nAbsent: " + ("; ".join(told) if told else "none") + ".\n"


def access(known: Results) -> str:
    """Return the costs with local variables, globals and attributes."""
    varied = {
        case["label"] for result in known.times for case in result["cases"] if case["access"] != "local"
    }

    def wanted(case: Record) -> bool:
        return case["label"] in varied and case["threads"] == 1

    return grid(known.times, "operation", wanted, lambda case: nanoseconds(case["median_ns"]))


def threads(known: Results) -> str:
    """Return the costs with two and more threads: nanoseconds, and their throughput compared with one."""
    return grid(known.times, "operation", lambda case: case["threads"] > 1, _in_threads)


def two_threads(known: Results) -> str:
    """Return the same for two threads and a few operations."""

    def wanted(case: Record) -> bool:
        return case["label"] in SCALED and (case["threads"], case["access"]) == (2, "local")

    return grid(known.times, "operation", wanted, _in_threads)


def _in_threads(case: Record) -> str:
    return f"{nanoseconds(case['median_ns'])}, {case['throughput']:.2f} x"


def instructions(known: Results) -> str:
    """Return the instructions of each operation, and its own part of them."""

    def cell(case: Record) -> str:
        return f"{case['instructions']:.0f}" + ("" if case["own"] is None else f" ({case['own']:+.0f})")

    return grid(known.instructions, "operation", lambda case: "beside" not in case, cell)


def instructions_beside(known: Results) -> str:
    """Return the instructions of what is counted beside our operations, and the ratio to ours."""
    indexed = [by_name(result) for result in known.instructions]

    def cell(index: dict[str, Record], name: str) -> str:
        if name not in index:
            return ABSENT
        ours = index[index[name]["beside"]]["instructions"]
        return f"{index[name]['instructions']:.0f}, {index[name]['instructions'] / ours:.2f} x"

    pairs = {name: case["beside"] for index in indexed for name, case in index.items() if "beside" in case}
    rows = [["alternative", "beside", *(build_name(result) for result in known.instructions)]]
    rows += [
        [code(name), code(ours), *(cell(index, name) for index in indexed)] for name, ours in pairs.items()
    ]
    return markdown(rows)


def footprint(known: Results) -> str:
    """Return the costs of the import, of a cell, of a million cells, and of a large family."""
    found = [result["footprint"] for result in known.times]

    def row(what: str, *figures: object) -> list[str]:
        return [what, *map(str, figures)]

    rows = [
        ["", *(build_name(result) for result in known.times)],
        row("`import atomicx`, ms", *(each["import_ms"] for each in found)),
        row("import of an empty package, ms", *(each.get("import_of_nothing_ms", ABSENT) for each in found)),
        row("modules it adds", *(", ".join(each["import_adds"]) or "none" for each in found)),
    ]
    rows += [
        row(f"`sys.getsizeof({name}())`", *(each["size_bytes"][name] for each in found))
        for name in found[0]["size_bytes"]
    ]
    for name in found[0]["a_million"]:
        for key, what in (
            ("bytes", "bytes each"),
            ("make_ns", "ns to make one"),
            ("inc_ns", "ns per `inc()`"),
        ):
            figures = (each["a_million"][name][key] for each in found)
            rows.append(row(f"a million `{name}` cells: {what}", *figures))
    for key, what in (
        ("make_ns", "ns to make a child"),
        ("hit_ns", "ns per `inc()` of each in turn"),
        ("hit_among_100_ns", "ns per `inc()` of each, with 100 children"),
    ):
        figures = (each.get("a_large_family", {}).get(key, ABSENT) for each in found)
        rows.append(row(f"a `Family` of 100,000 children: {what}", *figures))
    return markdown(rows)


def variants(known: Results) -> str:
    """Return the variants that were tried, and how long an operation takes compared with the shipped one."""

    def cell(record: Record) -> str:
        return f"{record['ratio']:.2f} x" + ("" if record["beyond_spread"] else ", within the spread")

    indexed = [
        {(case["variant"], case["operation"]): case for case in result["cases"]} for result in known.variants
    ]
    names = dict.fromkeys(name for index in indexed for name in index)
    rows = [["variant", "operation", *(build_name(result) for result in known.variants)]]
    for name in names:
        cases = [index.get(name) for index in indexed]
        wrong = next(case["wrong"] for case in cases if case)
        rows.append(
            [
                name[0] + (f" (wrong: {wrong})" if wrong else ""),
                code(name[1]),
                *(cell(case) if case else ABSENT for case in cases),
            ]
        )
    return markdown(rows) + source(known.variants)


def services(known: Results) -> str:
    """Return what a service did under each load: answers per second, and the latency of all but a few."""

    def cell(case: Record) -> str:
        served, shed = (f"{case[what] / case['seconds']:,.0f}" for what in ("served", "shed"))
        return f"{served} served, {within(case['latencies']['200'], 0.99)}; {shed} shed"

    indexed = [
        {(case["service"], case["connections"]): case for case in result["cases"]}
        for result in known.services
    ]
    names = dict.fromkeys(name for index in indexed for name in index)
    rows = [["service, connections", *(build_name(result) for result in known.services)]]
    for name in names:
        cells = [cell(index[name]) if name in index else ABSENT for index in indexed]
        rows.append([f"{name[0]}, {name[1]}", *cells])
    return markdown(rows) + source(known.services)


def scrapes(known: Results) -> str:
    """Return what the workers of a server left on the disk, and how long it takes to scrape."""
    rows = [["values in", "workers in all", "files", "size", "processor time of a scrape"]]
    for result in known.scrapes:
        for case in result["cases"]:
            where = "a segment" if case["way"] == "segment" else "the library's files"
            size, scrape = case["bytes"] / 2**20, case["seconds"] * 1000
            rows.append(
                [where, f"{case['workers']:,}", f"{case['files']:,}", f"{size:.1f} MiB", f"{scrape:.1f} ms"]
            )
    return markdown(rows) + source(known.scrapes)


def within(buckets: dict[str, int], share: float) -> str:
    """Return the lowest bound that at least this share of the observations did not exceed, as text."""
    wanted, below = share * sum(buckets.values()), 0
    for bound, count in buckets.items():
        below += count
        if below >= wanted and bound != "+Inf":
            return f"{share:.0%} within {float(bound) * 1000:g} ms"
    last = list(buckets)[-2]
    return f"not {share:.0%} within {float(last) * 1000:g} ms"


def survival(known: Results) -> str:
    """Return how often workers were killed, interrupted and forked, how many hung, and what was left."""
    heads = [f"CPython {result['interpreter']['name']}, times" for result in known.endurance]
    rows = [["trouble", *heads, "hung"]]
    for name in dict.fromkeys(case["name"] for result in known.endurance for case in result["cases"]):
        cases = [case for result in known.endurance for case in result["cases"] if case["name"] == name]
        times = [f"{case['times']:,}" for case in cases]
        rows.append([name, *times, str(sum(case["hung"] for case in cases))])
    return markdown(rows) + "".join(f"\n{_came_and_went(result)}\n" for result in known.endurance)


def _came_and_went(result: results.ResultsFile) -> str:
    machine, case = result["machine"], result["cases"][0]
    return (
        f"CPython {result['interpreter']['version']}, {machine['cores']} cores of {machine['processor']},"
        f" commit `{result['atomicx']['commit'][:12]}`, {result['date']}: {case['workers']:,} workers came"
        f" and went, and {case['killed']:,} were killed. The file had {case['bytes_before']:,} bytes before"
        f" and {case['bytes_after']:,} after; {case['stripes']} stripes were ever used. Complete rounds made"
        f" {case['complete']:,} requests; with the last rounds of killed workers {case['requests']:,} were"
        f" counted and {case['observed']:,} observed. The gauge was {case['gauge']}, as the one living"
        " process had set it."
    )


def latencies(known: Results) -> str:
    """Return the quantiles of a server's latencies by each histogram, next to the exact ones, in ms."""
    parts = []
    for result in known.latencies:
        cases = result["cases"]
        rows = [["quantile", "exact", *(case["histogram"] for case in cases)]]
        for q, (true, _) in cases[0]["quantiles"].items():
            told = [case["quantiles"][q][1] for case in cases]
            cells = [f"{1000 * value:.4g} ({value / true - 1:+.1%})" for value in told]
            rows.append([f"{100 * float(q):g} %", f"{1000 * true:.4g}", *cells])
        rows.append(["memory, in bytes", "", *(f"{case['size']:,}" for case in cases)])
        rows.append(["buckets in use", "", *(str(case["in_use"]) for case in cases)])
        parts.append(markdown(rows))
    return "\n".join(parts) + source(known.latencies)


def prediction(known: Results) -> str:
    """Return the model's throughput for many cores, fed with what was measured without the GIL."""
    result = next(result for result in known.times if not result["interpreter"]["gil"])
    near = model.measured_costs(by_name(result))
    far = near._replace(transfer=model.FAR_NS)
    parts = []
    for costs, what in ((near, "measured here"), (far, "assumed, between cores without a common cache")):
        rows = [["cores, a thread on each", "stripes", *model.COLUMNS.values()]]
        rows += [
            [str(row["cores"]), str(row["stripes"]), *(f"{row[column]:.1f} x" for column in model.COLUMNS)]
            for row in model.predictions(costs)
        ]
        parts.append(
            f"A call {nanoseconds(costs.call)} ns, a line's transfer {nanoseconds(costs.transfer)} ns"
            f" ({what}):\n\n" + markdown(rows)
        )
    checks = model.checks(by_name(result))
    rows = [["two threads", "predicted", "measured"]]
    rows += [[what, f"{predicted:.2f} x", f"{found:.2f} x"] for what, predicted, found in checks]
    return "\n".join([*parts, "Predicted and measured, for the two cores that there are:\n", markdown(rows)])


FORMS: dict[str, Callable[[Results], str]] = {
    "brief": brief,
    "usual": usual,
    "floors": floors,
    "operations": operations,
    "alternatives": alternatives,
    "access": access,
    "threads": threads,
    "two_threads": two_threads,
    "instructions": instructions,
    "instructions_beside": instructions_beside,
    "footprint": footprint,
    "variants": variants,
    "services": services,
    "scrapes": scrapes,
    "survival": survival,
    "latencies": latencies,
    "prediction": prediction,
    "targets": lambda known: targets.targets(known.times),
}
