"""What people see of a run: remarks on its inputs, the table at its end, files and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from ml.drivers.study import Study
from ml.drivers.trial import ALL
from ml.durable import discard_leftovers, write_file
from ml.ensemble.mixture import ENSEMBLE
from ml.panel import Panel
from ml.reporting.comparison import ENDS
from ml.reporting.metrics import COLUMNS, leaderboard, to_csv
from ml.reporting.pictures import draw_drivers
from ml.reporting.simulation_report import tell_stock

BANNER = "SYNTHETIC SAMPLE DATA: every number below is made up. Put your files into {folder}."

COUNTED = ("item_id", "kind", "frequency", "is_fallback")  # columns of forecasts
SKILLS = {"skill": "skill", "stock_skill": "in the tail of cumulative demand"}


@dataclass(frozen=True, slots=True)
class PanelReport:
    """What a run did with one panel."""

    name: str  # of the panel
    panel: Panel  # its series
    items: int  # number of items that were asked for
    horizon: int  # published steps
    refusals: int  # number of items of its kind that have no forecast
    study: Study  # of its drivers
    synthetic: bool  # whether the data are made up

    @property
    def title(self) -> str:
        """Name of the panel in pictures, which say so where data are made up."""
        return f"SYNTHETIC SAMPLE, {self.name}" if self.synthetic else self.name


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run made."""

    version_id: str  # of the version
    panels: tuple[PanelReport, ...]  # what was done
    metrics: pa.Table  # METRICS rows
    forecasts: pa.Table  # FORECASTS rows, the columns `COUNTED`
    curves: pa.Table  # PORTFOLIO_CURVES rows
    gate: tuple[str, ...] = ()  # whether it may go out, and why not; empty for a part


def write_reports(report: RunReport, folder: Path) -> list[Path]:
    """Leaderboard, drivers with a picture of them, and the gate's verdict."""
    lines = leaderboard(_of_groups(report.metrics))
    titles = {one.name: one.title for one in report.panels}
    studies = {one.name: one.study for one in report.panels}
    discard_leftovers(folder)
    return [
        write_file(folder / "leaderboard.csv", to_csv(COLUMNS, lines)),
        *write_gate(report, folder),
        *write_drivers(studies, titles, folder),
    ]


def _of_groups(metrics: pa.Table) -> list[dict[str, Any]]:
    """The METRICS rows that a leaderboard can be made of; those of single items are most."""
    chosen = pc.field("item_id").is_null() & pc.field("horizon_step").is_null()
    return metrics.filter(chosen & pc.field("value").is_valid()).to_pylist()


def write_gate(report: RunReport, folder: Path) -> list[Path]:
    """``gate.txt``: whether the version may go out, and why not; none where it is only a part."""
    path = folder / "gate.txt"
    if not report.gate:
        path.unlink(missing_ok=True)
        return []
    return [write_file(path, "\n".join((f"version {report.version_id}", *report.gate, "")))]


def write_drivers(
    studies: Mapping[str, Study], titles: Mapping[str, str], folder: Path
) -> list[Path]:
    """``drivers.csv`` and one picture for each panel with drivers; stale ones are removed.

    Pictures of the very same table stay: to import what draws them takes longer than all else here.
    """
    lines = [{"panel": panel, **line} for panel, study in studies.items() for line in _lines(study)]
    path, text = folder / "drivers.csv", to_csv(list(lines[0]), lines) if lines else ""
    wanted = {folder / f"drivers_{panel}.png": titles[panel]
              for panel, study in studies.items() if study.gains}  # fmt: skip
    there = set(folder.glob("drivers_*.png"))
    is_same = path.is_file() and path.read_text(encoding="utf-8") == text
    if is_same and there == wanted.keys() and all(_is_titled(*one) for one in wanted.items()):
        return [path, *wanted]
    for old in (path, *there):
        old.unlink(missing_ok=True)
    if not lines:
        return []
    return [
        write_file(path, text),
        *(
            draw_drivers(
                titles[panel],
                [one for one in study.gains if one.demand_class == ALL and not one.foreseen],
                [one for one in study.effects if one.demand_class == ALL],
                folder / f"drivers_{panel}.png",
            )
            for panel, study in studies.items()
            if study.gains
        ),
    ]


def _is_titled(picture: Path, title: str) -> bool:
    """Whether a picture's metadata say that it is of this title, which tells of made-up data."""
    return f"Title\0{title}:".encode() in picture.read_bytes()[:1024]


def _lines(study: Study) -> Iterator[dict[str, Any]]:
    """Gains of groups and effects of single drivers; of all items, any class may use a group."""
    for one in (*study.gains, *study.effects):
        what = "gain had they been foreseen" if one.foreseen else "gain as known"
        classes = study.used if one.demand_class == ALL else (one.demand_class,)
        digits = 7 if one.feature is None else 5
        yield {
            "demand_class": one.demand_class.replace(ALL, "all"),
            "drivers": one.feature or one.group,
            "what": "effect on the log rate" if one.feature else what,
            "value": round(one.value, digits),
            "low_90": round(one.low, digits),
            "high_90": round(one.high, digits),
            "used": any(one.group in study.used.get(name, ()) for name in classes),
        }


def show_inputs(statements: Sequence[str], *, synthetic: bool, user_folder: Path) -> None:
    """Say on stderr what was read and decided; a banner over synthetic data."""
    console = Console(stderr=True, highlight=False)
    if synthetic:
        text = BANNER.format(folder=user_folder)
        console.print(f"*** {text} ***", style="bold yellow", markup=False, soft_wrap=True)
    for statement in statements:
        console.print(f"- {statement}", markup=False, soft_wrap=True)


def show_result(
    report: RunReport, results: Path, reports: Path, *, seconds: float, peak_mib: Sequence[float]
) -> None:
    """Print the short table at the end of a run to stdout.

    ``peak_mib`` is the largest memory of the main process and of each worker.
    """
    console = Console(highlight=False)
    caption = "skill: share of the best reference's loss that the ensemble saves in the backtest"
    table = Table(title=f"version {report.version_id}", title_justify="left", caption=caption,
                  caption_justify="left")  # fmt: skip
    for name in ("panel", "items", "steps", "as of", "fallbacks", "refusals", "skill"):
        table.add_column(name, justify="left" if name == "panel" else "right")
    boards = {line["panel"]: line for line in leaderboard(_of_groups(report.metrics))
              if line["demand_class"] == "all" and line["model"] == ENSEMBLE
              and line["skill"] is not None}  # fmt: skip
    for one in report.panels:
        table.add_row(
            one.name, str(one.items), str(one.horizon), str(one.panel.cutoff),
            str(_count_fallbacks(report.forecasts, one.panel)), str(one.refusals),
            f"{boards[one.name]['skill']:+.0%}" if one.name in boards else "not tried",
        )  # fmt: skip
    console.print(table)
    for line in boards.values():
        console.print(f"- {_tell_skill(line)}", markup=False, soft_wrap=True)
    for text in tell_stock(report.curves):
        console.print(f"- {text}", markup=False, soft_wrap=True)
    for one in report.panels:
        for text in one.study.statements:
            console.print(f"- {text}", markup=False, soft_wrap=True)
    for text in report.gate:
        console.print(text, markup=False, soft_wrap=True)
    console.print(f"results: {results / 'versions' / report.version_id}", soft_wrap=True)
    console.print(f"reports: {reports}", soft_wrap=True)
    parts = " + ".join(f"{part:.0f}" for part in peak_mib)
    console.print(f"{seconds:.0f} s, peak memory at most {sum(peak_mib):.0f} MiB ({parts})")


def _tell_skill(line: Mapping[str, Any]) -> str:
    """What the ensemble saves against the best reference, and how sure that is."""
    told = []
    for name, word in SKILLS.items():
        value, low, high = (line[name + end] for end in ENDS)
        if value is not None:
            sure = (
                "one origin cannot tell how sure" if low is None else f"{low:+.0%} to {high:+.0%}"
            )
            told.append(f"{word} {value:+.0%} ({sure})")
    return f"{line['panel']}: {', '.join(told)}"


def _count_fallbacks(forecasts: pa.Table, panel: Panel) -> int:
    """Items of a panel with a fallback."""
    wanted = (
        pc.field("is_fallback")
        & (pc.field("kind") == panel.kind)
        & (pc.field("frequency") == panel.frequency.value)
    )
    return len(pc.unique(forecasts.filter(wanted)["item_id"]))
