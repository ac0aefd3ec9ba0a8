"""Price models at rolling origins of a price file, against the last close and a Gaussian walk.

Usage: .venv/bin/python benchmarks/price_origins.py FILE [--column NAME] [--first DATE]
       [--last DATE] [--origins 200] [--horizon 30] [--models "a,b"] [--out CSV]

Origins lie evenly between --first and --last, each on a day with a price. The Gaussian walk has
the volatility of the last 250 changes and is scored by its formula, the models by their paths.
Standard errors are of a bootstrap of blocks of origins, since neighbouring ones share volatility.
"""

import csv
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from scipy import stats

from ml.evaluation import scores
from ml.forecasters.base import Forecast
from ml.forecasters.registry import REFERENCES, reference
from ml.panel import Panel
from ml.panel_tables import price_panels
from pipelines.intake import IntakeOptions, read_prices

Floats = npt.NDArray[np.float64]
BASE = "gaussian_250"
YEAR = 250  # changes
LEAST_HISTORY = 250  # periods before the first origin
BLOCK = 3  # horizons; about how long one spell of volatility lasts
ROUNDS = 1000
SEED = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One model over all origins.

    Attributes:
        model: Name; ``gaussian_250`` is the walk that ratios are against.
        mae_change: MAE of the median over that of the last close, less 1 [%].
        crps_ratio: Sum of CRPS over that of the Gaussian walk.
        crps_error: Its standard error.
        coverage: Share of prices inside the 80 % interval [%].
        coverage_error: Its standard error [percentage points].
        ms: Milliseconds an origin.
    """

    model: str
    mae_change: float
    crps_ratio: float
    crps_error: float
    coverage: float
    coverage_error: float
    ms: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the observed steps of each origin, all (R,)."""

    absolute: Floats
    crps: Floats
    covered: Floats
    seconds: float


def read_panel(file: Path, column: str | None) -> Panel:
    """The one price series of a file."""
    columns = {} if column is None else {"value": column}
    table = read_prices(file, IntakeOptions(today=datetime.now(UTC).date(), columns=columns)).table
    today = datetime.now(UTC).date()
    panels = [made.panel for made in price_panels(table, as_of=None, today=today)]
    if len(panels) != 1 or panels[0] is None or len(panels[0].items) != 1:
        raise typer.BadParameter(f"{file.name} must hold one usable price series")
    return panels[0]


def origins(panel: Panel, *, first: date | None, last: date | None, count: int, horizon: int
            ) -> npt.NDArray[np.int64]:  # fmt: skip
    """Positions of the cutoffs, each with a price and a whole horizon after it."""
    begin = LEAST_HISTORY if first is None else np.searchsorted(panel.periods, np.datetime64(first))
    end = (
        len(panel.periods) if last is None else np.searchsorted(panel.periods, np.datetime64(last))
    )
    seen = np.flatnonzero(panel.observed()[0])
    seen = seen[(seen >= max(begin, LEAST_HISTORY)) & (seen + horizon < end)]
    if len(seen) < 2:
        raise typer.BadParameter(
            "no room for two origins: choose an earlier --first or fewer periods"
        )
    return seen[np.unique(np.linspace(0, len(seen) - 1, count).astype(np.int64))]


def score_base(panel: Panel, cutoffs: npt.NDArray[np.int64], horizon: int) -> Scores:
    """The last close with Gaussian steps; CRPS of a normal by Gneiting & Raftery (2007), eq. 5."""
    rows = []
    for place in cutoffs:
        seen = panel.values[0, : place + 1]
        seen = seen[~np.isnan(seen)]
        actual = panel.values[0, place + 1 : place + 1 + horizon]
        spread = np.sqrt(np.mean(np.diff(seen[-YEAR - 1 :]) ** 2) * np.arange(1, horizon + 1))
        z = (actual - seen[-1]) / spread
        area = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
        inside = np.where(np.isnan(z), np.nan, np.abs(z) < stats.norm.ppf(0.9))
        rows.append(
            [float(np.nanmean(part)) for part in (np.abs(actual - seen[-1]), spread * area, inside)]
        )
    return _scores(rows, 0.0)


def score_model(name: str, panel: Panel, cutoffs: npt.NDArray[np.int64], horizon: int) -> Scores:
    """One model's published quantiles and its paths, at each cutoff."""
    rows = []
    start = time.perf_counter()
    for place in cutoffs:
        train = panel.until(panel.periods[place])
        forecast = reference(name).fit(train).predict(panel.items, horizon, seed=SEED)
        rows.append(_score_origin(forecast, panel.values[0, place + 1 : place + 1 + horizon]))
    return _scores(rows, time.perf_counter() - start)


def _scores(rows: Sequence[list[float]], seconds: float) -> Scores:
    absolute, crps, covered = np.array(rows).T
    return Scores(absolute, crps, covered, seconds)


def _score_origin(forecast: Forecast, actual: Floats) -> list[float]:
    low, median, high = forecast.quantiles((0.1, 0.5, 0.9))[0].T
    points = forecast.paths[0].T.astype(np.float64)
    inside = np.where(np.isnan(actual), np.nan, (low < actual) & (actual <= high))
    found = (np.abs(actual - median), scores.crps(points, actual), inside)
    return [float(np.nanmean(part)) for part in found]


def compare(name: str, found: Scores, base: Scores, block: int) -> Line:
    """A model against the Gaussian walk, over the same origins."""
    count = len(base.crps)
    rng = np.random.default_rng(SEED)
    starts = rng.integers(0, count - block + 1, (ROUNDS, math.ceil(count / block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(ROUNDS, -1)
    ratios = found.crps[drawn].sum(axis=1) / base.crps[drawn].sum(axis=1)
    return Line(
        model=name,
        mae_change=100 * float(found.absolute.sum() / base.absolute.sum() - 1),
        crps_ratio=float(found.crps.sum() / base.crps.sum()),
        crps_error=float(ratios.std()),
        coverage=100 * float(found.covered.mean()),
        coverage_error=100 * float(found.covered[drawn].mean(axis=1).std()),
        ms=1000 * found.seconds / count,
    )


def write(lines: Sequence[Line], out: Path) -> None:
    """The table as CSV."""
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def main(
    file: Path,
    column: Annotated[str | None, typer.Option(help="Column of the price.")] = None,
    first: Annotated[datetime | None, typer.Option(help="No origin before it.")] = None,
    last: Annotated[datetime | None, typer.Option(help="No price from it on is used.")] = None,
    count: Annotated[int, typer.Option("--origins", min=2)] = 200,
    horizon: Annotated[int, typer.Option(min=1, help="Periods ahead.")] = 30,
    models: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(
        REFERENCES["price"]
    ),
    out: Annotated[Path | None, typer.Option(help="CSV file to write.")] = None,
) -> None:
    """Print one line a model, best first."""
    panel = read_panel(file, column)
    days = [None if day is None else day.date() for day in (first, last)]
    cutoffs = origins(panel, first=days[0], last=days[1], count=count, horizon=horizon)
    spacing = float(np.mean(np.diff(cutoffs)))
    block = min(math.ceil(BLOCK * horizon / spacing), len(cutoffs))
    base = score_base(panel, cutoffs, horizon)
    found = {BASE: base}
    found |= {name: score_model(name, panel, cutoffs, horizon) for name in models.split(",")}
    lines = sorted(
        (compare(name, one, base, block) for name, one in found.items()),
        key=lambda line: line.crps_ratio,
    )
    print(f"{panel.items[0]}: {len(cutoffs)} origins, {panel.periods[cutoffs[0]]} to "
          f"{panel.periods[cutoffs[-1]]}, {horizon} periods ahead")  # fmt: skip
    print(f"{'model':<16} {'MAE':>8}  {'CRPS ratio':<15}  {'80 % interval':<13}  {'ms':>5}")
    for line in lines:
        print(f"{line.model:<16} {line.mae_change:+7.2f}%  {line.crps_ratio:.4f} ± "
              f"{line.crps_error:.4f}  {line.coverage:5.1f} ± {line.coverage_error:.1f} %  "
              f"{line.ms:5.0f}")  # fmt: skip
    if out is not None:
        write(lines, out)


if __name__ == "__main__":
    typer.run(main)
