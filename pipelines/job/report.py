"""What people see of a run: the table at its end, the leaderboard, and pictures."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ml.artifacts.reading import read_dataset
from ml.drivers.study import Study
from ml.durable import write_file
from ml.processed import SYNTHETIC
from ml.reporting.driver_report import write_drivers
from ml.reporting.leaderboard import as_csv, as_json, leaderboard
from ml.reporting.pictures import draw_forecasts, draw_leaderboard
from ml.run.inputs import RunInputs
from ml.run.parallel import worker_peaks
from ml.run.run import RunResult

BANNER = "SYNTHETIC SAMPLE DATA: every number below is made up. Put your files into {folder}."


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run cost.

    Attributes:
        seconds: Of wall clock.
        peak_mib: Largest memory of the main process and of each worker [MiB].
    """

    seconds: float
    peak_mib: tuple[float, ...]


def spent(seconds: float) -> Spent:
    """Cost of this process and its workers."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Spent(seconds, (own, *worker_peaks.values()))


def write_reports(result: RunResult, reports: Path) -> list[Path]:
    """Leaderboard as CSV and JSON, pictures of the leaderboard and of some forecasts."""
    folder = reports / "results"
    folder.mkdir(parents=True, exist_ok=True)
    lines = leaderboard(result.metrics)
    about = {"version_id": result.record.version_id, "model_version": result.model_version}
    written = [
        write_file(folder / "leaderboard.csv", as_csv(lines)),
        write_file(folder / "leaderboard.json", as_json(lines, **about)),
    ]
    written += draw_leaderboard(lines, folder)
    written += write_drivers(_studies(result), folder)
    return written


def draw_version(result: RunResult, results: Path, reports: Path) -> list[Path]:
    """Fan charts of a few items of the version."""
    forecasts = read_dataset(results, "forecasts", result.record.version_id)
    panels = {plan.name: plan.panel for plan in result.plans}
    return draw_forecasts(panels, forecasts, reports / "results", result.record.version_id)


def show_inputs(inputs: RunInputs, data_dir: Path) -> None:
    """Say on stderr what was read and decided; a banner over synthetic data."""
    console = Console(stderr=True, highlight=False)
    if SYNTHETIC in inputs.source.values():
        text = BANNER.format(folder=data_dir / "raw" / "user")
        console.print(f"*** {text} ***", style="bold yellow", markup=False, soft_wrap=True)
    for statement in inputs.statements:
        console.print(f"- {statement}", markup=False, soft_wrap=True)


def show_result(result: RunResult, cost: Spent, results: Path, reports: Path) -> None:
    """Print the short table at the end of a run to stdout."""
    console = Console(highlight=False)
    title = f"version {result.record.version_id}"
    caption = "skill: share of the naive forecast's CRPS that the ensemble saves in the backtest"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for name in ("panel", "items", "steps", "as of", "fallbacks", "refusals", "skill"):
        table.add_column(name, justify="left" if name == "panel" else "right")
    counts = _counts(result, results)
    for plan in result.plans:
        kind = plan.panel.kind
        refused = sum(1 for one in result.refusals if one.kind == kind)
        skill = _skill(result, plan.name)
        shown = "not tried" if skill is None else f"{skill:+.0%}"
        table.add_row(
            plan.name, str(len(plan.wanted)), str(plan.horizon), str(plan.panel.cutoff),
            str(counts.get((kind, plan.panel.frequency.value), 0)), str(refused), shown,
        )  # fmt: skip
    console.print(table)
    for text in (text for study in _studies(result).values() for text in study.statements):
        console.print(f"- {text}", markup=False, soft_wrap=True)
    console.print(f"results: {results / 'versions' / result.record.version_id}", soft_wrap=True)
    console.print(f"reports: {reports / 'results'}", soft_wrap=True)
    parts = " + ".join(f"{part:.0f}" for part in cost.peak_mib)
    total = sum(cost.peak_mib)
    console.print(f"{cost.seconds:.0f} s, peak memory at most {total:.0f} MiB ({parts})")


def _studies(result: RunResult) -> dict[str, Study]:
    return {plan.name: plan.study for plan in result.plans if plan.study is not None}


def _counts(result: RunResult, results: Path) -> dict[tuple[str, str], int]:
    """Items with a fallback, by kind and frequency."""
    try:
        rows = read_dataset(results, "forecasts", result.record.version_id)
    except FileNotFoundError:
        return {}
    seen: dict[tuple[str, str], set[str]] = {}
    picked = rows.select(["kind", "frequency", "item_id", "is_fallback"]).to_pylist()
    for row in picked:
        if row["is_fallback"]:
            seen.setdefault((row["kind"], row["frequency"]), set()).add(row["item_id"])
    return {panel: len(items) for panel, items in seen.items()}


def _skill(result: RunResult, panel: str) -> float | None:
    """Forecast value added by the ensemble against naive, over all items and origins."""
    found: list[dict[str, Any]] = [
        line
        for line in leaderboard(result.metrics)
        if line["panel"] == panel and line["demand_class"] == "all" and line["model"] == "ensemble"
    ]
    return float(found[0]["fva_naive"]) if found and found[0]["fva_naive"] is not None else None
