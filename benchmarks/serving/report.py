"""The figures as JSON, and as Markdown for people."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.serving.bench import ServerFigures
from benchmarks.speed.report import format_table
from ml.durable import write_file

HEAD = (
    "server", "items x steps", "requests a second of one core", "on the wall", "p99 [ms]", "failed",
    "ready [s]", "of processor [s]", "memory [MiB]", "own [MiB]",
)  # fmt: skip


def write_report(
    found: Sequence[ServerFigures], rounds: int, seconds: int, folder: Path
) -> list[Path]:
    """``serving.json`` and ``serving.md``, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[int, int, str], list[ServerFigures]] = {}
    for one in found:
        groups.setdefault((one.items, one.steps, one.server), []).append(one)
    lines = [
        (
            f"Synthetic rows, medians of {rounds} rounds of {seconds} s; one core serves, wrk with "
            f"16 connections on another; Python {platform.python_version()}, {platform.machine()}."
        ),
        "",
        *format_table(HEAD, [_line(*key, group) for key, group in groups.items()]),
        *_ratios(groups),
    ]
    figures = json.dumps([asdict(one) for one in found], indent=1)
    return [
        write_file(folder / "serving.json", figures + "\n"),
        write_file(folder / "serving.md", "\n".join(lines) + "\n"),
    ]


def _line(items: int, steps: int, server: str, group: Sequence[ServerFigures]) -> list[str]:
    return [
        server,
        f"{items:,} x {steps}",
        f"{median(one.load.per_core for one in group):,.0f}",
        f"{median(one.load.per_second for one in group):,.0f}",
        f"{median(one.load.p99_ms for one in group):.1f}",
        str(sum(one.load.failed for one in group)),
        f"{median(one.ready_seconds for one in group):.1f}",
        f"{median(one.ready_cpu_seconds for one in group):.1f}",
        f"{median(one.resident_mib for one in group):.0f}",
        f"{median(one.own_mib for one in group):.0f}",
    ]


def _ratios(groups: dict[tuple[int, int, str], list[ServerFigures]]) -> list[str]:
    """How many times faster ours is, round by round, as medians."""
    rate = {key: [one.load.per_core for one in group] for key, group in groups.items()}
    lines = []
    for (items, steps, server), others in rate.items():
        ours = rate.get((items, steps, "ours"))
        if ours is None or server == "ours":
            continue
        pairs = zip(ours, others, strict=True)
        if server.startswith("ours"):
            ratio = median(other / own for own, other in pairs)
            lines.append(f"- {server} at {items:,} x {steps}: {ratio:.2f} times ours.")
        else:
            ratio = median(own / other for own, other in pairs)
            lines.append(f"- ours at {items:,} x {steps}: {ratio:.1f} times {server}.")
    return lines
