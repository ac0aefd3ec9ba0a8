"""The figures as JSON, and as Markdown for people."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.speed.bench import Bench
from benchmarks.speed.figures import (
    Round,
    Size,
    Spread,
    all_cases,
    part_lines,
    peer_costs,
    ratios,
    shares_of_cold,
    spread,
    stage_lines,
)
from benchmarks.speed.files import LAST
from benchmarks.speed.job import ALL
from ml.durable import write_file
from ml.seeds import code_version

NAME = "speed"
LIBRARIES = ("prophet", "pmdarima", "keras", "tensorflow", "statsmodels", "numpy")
LEAST_SECONDS = 0.05  # less is shown as nothing


def write_report(rounds: Sequence[Round], bench: Bench, folder: Path) -> list[Path]:
    """``speed.json`` and ``speed.md``, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    about, size = describe_run([one.load for one in rounds], bench), bench.size
    whole = {
        **about,
        "ratios": [asdict(one) for one in ratios(rounds, size)],
        "rounds": [asdict(one) for one in rounds],
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return [
        write_file(folder / f"{NAME}.json", text),
        write_file(folder / f"{NAME}.md", format_tables(rounds, about, size)),
    ]


def describe_run(loads: Sequence[float], bench: Bench) -> dict[str, object]:
    """Plain facts about the run, of the machine's load before each of its rounds."""
    backtested = bench.size.backtested
    return {
        "data": f"synthetic: {bench.items} items over {bench.days} days until {LAST}, seed "
        f"{bench.seed}, {bench.horizon} days ahead",
        "rounds": f"{len(loads)}; load of the machine before each: "
        + ", ".join(f"{load:.1f}" for load in loads),
        "processes": f"{bench.jobs} of our job and of peers in a pool, on {os.cpu_count()} cores, "
        "one thread each",
        "code": code_version(),
        "peers": f"scaled to {bench.items} items at the end and {backtested} at the origins, "
        "as many as our job takes",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + f", Python {platform.python_version()}",
    }


def format_tables(rounds: Sequence[Round], about: Mapping[str, object], size: Size) -> str:
    """All tables: runs, stages, parts of stages, peers, ratios."""
    parts = ["# Speed", "", *(f"- {name}: {value}" for name, value in about.items()), ""]
    parts += [*_runs(rounds, size), *_stages(rounds), *_parts(rounds)]
    if rounds[0].peers:
        parts += [*_peers(rounds, size), *_ratios(rounds, size)]
    return "\n".join(parts)


def _runs(rounds: Sequence[Round], size: Size) -> list[str]:
    head = ("run", "wall s", "processor s", "processor ms an item", "peak MiB, shared pages once",
            "peak MiB, resident", "of the cold run")  # fmt: skip
    rows = []
    for case in all_cases(rounds):
        costs = [one.runs[case].cost for one in rounds]
        spent = spread(cost.cpu_seconds for cost in costs)
        rows.append((
            case, format_span(spread(cost.seconds for cost in costs)), format_span(spent),
            f"{1000 * spent.median / size.items:.0f}",
            format_span(spread(cost.pss_mib for cost in costs), 0),
            format_span(spread(cost.rss_mib for cost in costs), 0),
            format_span(shares_of_cold(rounds, case), 3),
        ))  # fmt: skip
    return ["Our job, median (least to most):", "", *format_table(head, rows)]


def _stages(rounds: Sequence[Round]) -> list[str]:
    """A row a stage, a column a case: wall / processor seconds."""
    cases = all_cases(rounds)
    found = {case: {one.name: one for one in stage_lines(rounds, case)} for case in cases}
    rows = [
        (name, *(_pair(one.seconds, one.cpu.get(ALL)) if one else ""
                 for one in (found[case].get(name) for case in cases)))
        for name in dict.fromkeys(name for case in cases for name in found[case])
    ]  # fmt: skip
    return [
        "Stages, wall / processor seconds, medians:",
        "",
        *format_table(("stage", *cases), rows),
    ]


def _parts(rounds: Sequence[Round]) -> list[str]:
    cases = all_cases(rounds)
    found = {case: part_lines(rounds, case) for case in cases}
    rows = [
        (part, *(f"{found[case].get(part, 0.0):.1f}" for case in cases))
        for part in dict.fromkeys(part for case in cases for part in found[case])
        if max(found[case].get(part, 0.0) for case in cases) >= LEAST_SECONDS
    ]
    title = "What stages spent processor seconds on, in all of them together, medians:"
    return [title, "", *format_table(("part", *cases), rows)]


def _peers(rounds: Sequence[Round], size: Size) -> list[str]:
    head = ("peer", "items timed", "processor s an item, fits of all windows", "scaled: wall s",
            "scaled: processor s", "fits that failed")  # fmt: skip
    rows = []
    for name, first in rounds[0].peers.items():
        wall, cpu = peer_costs(rounds, name, size)
        each = spread(first.each) if first.each else None
        mean = (first.backtest.cpu + first.final.cpu) / first.items
        rows.append((
            name, str(first.items), f"{mean:.2f}" + (f" ({each.low:.2f} to {each.high:.2f} "
            "by item)" if each else ""), format_span(wall, 0), format_span(cpu, 0),
            str(sum(len(one.peers[name].failures) for one in rounds)),
        ))  # fmt: skip
    return ["Peers:", "", *format_table(head, rows)]


def _ratios(rounds: Sequence[Round], size: Size) -> list[str]:
    rows = [(one.what, one.of, format_span(one.times, 2)) for one in ratios(rounds, size)]
    return ["Times as long as ours, cold:", "", *format_table(("what", "seconds", "times"), rows)]


def format_span(figure: Spread, digits: int = 1) -> str:
    """Median, and least and most where they differ."""
    if figure.low == figure.high:
        return f"{figure.median:.{digits}f}"
    return f"{figure.median:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def _pair(seconds: float, spent: float | None) -> str:
    return f"{seconds:.1f}" if spent is None else f"{seconds:.1f} / {spent:.1f}"


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    ruled = [f"|{'---|' * len(head)}"]
    return [f"| {' | '.join(head)} |", *ruled, *(f"| {' | '.join(row)} |" for row in rows), ""]
