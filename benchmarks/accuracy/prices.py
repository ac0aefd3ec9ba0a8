"""Price models at many rolling origins of a file, against the last close and a Gaussian walk.

Origins lie evenly over the history, each on a day with a price. The Gaussian walk has the
volatility of the last 250 changes and is scored by its formula, the models by their paths.
Standard errors are of a bootstrap of blocks of origins, since neighbouring ones share volatility.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.speed.watch import say
from ml.ensemble.fitting import fit_weights
from ml.ensemble.mixture import mix_paths
from ml.ensemble.mixture_score import PANEL
from ml.errors import DataError
from ml.evaluation import scores
from ml.evaluation.origins import BacktestPoints, actual_values, typical_size
from ml.forecasters.base import Forecast, predict
from ml.forecasters.registry import REFERENCES, forecaster
from ml.frequency import Frequency
from ml.panel import Floats, Panel
from ml.panel_tables import price_panels
from ml.run.backtest import summarise_origin
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import ReadingRequest

BASE = "gaussian_250"
ENSEMBLE = "ensemble of these"
YEAR = 250  # changes
LEAST_HISTORY = 250  # periods before the first origin
BLOCK = 3  # horizons; about how long one spell of volatility lasts
ROUNDS = 1000
MOST_ORIGINS = 6  # that weights come from, as in the job
SEED = 0


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One model over all origins."""

    model: str  # name; `gaussian_250` is the walk that ratios are against
    mae_change: float  # MAE of the median over that of the last close, less 1 [%]
    crps_ratio: float  # sum of CRPS over that of the Gaussian walk
    crps_error: float  # its standard error
    coverage: float  # share of prices inside the 80 % interval [%]
    coverage_error: float  # its standard error [percentage points]
    ms: float  # milliseconds an origin


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
    today = datetime.now(UTC).date()
    request = ReadingRequest(files={"prices": file}, today=today, columns=columns)
    table = read_tables(request).tables["prices"]
    today = datetime.now(UTC).date()
    panels = [made.panel for made in price_panels(table, as_of=None, today=today)]
    if len(panels) != 1 or panels[0] is None or len(panels[0].items) != 1:
        raise DataError(f"{file}: does not hold exactly one usable price series.")
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
        raise DataError(
            f"{panel.items[0]}: no room for two origins with {LEAST_HISTORY} periods before and "
            f"{horizon} after them."
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


def forecast_all(
    panel: Panel, cutoffs: npt.NDArray[np.int64], horizon: int, models: Sequence[str]
) -> tuple[dict[str, list[Forecast]], dict[str, float]]:
    """Forecasts of each model at each cutoff, and the seconds that each model took."""
    found: dict[str, list[Forecast]] = {}
    seconds = {}
    for name in models:
        start = time.perf_counter()
        found[name] = [
            predict(
                forecaster(name).fit(panel.until(panel.periods[place])),
                panel.items,
                horizon,
                seed=SEED,
            )
            for place in cutoffs
        ]
        seconds[name] = time.perf_counter() - start
    return found, seconds


def ensembles(
    panel: Panel,
    cutoffs: npt.NDArray[np.int64],
    horizon: int,
    found: Mapping[str, Sequence[Forecast]],
) -> list[Forecast]:
    """What the job's rule makes of these models at each cutoff.

    Weights come from up to six earlier cutoffs, a horizon or more apart, whose horizon is over.
    """
    tried = [
        _tried(panel, int(place), horizon, {name: one[number] for name, one in found.items()})
        for number, place in enumerate(cutoffs)
    ]
    made = []
    for number, place in enumerate(cutoffs):
        chosen: list[int] = []
        for earlier in range(number - 1, -1, -1):
            if cutoffs[earlier] + horizon <= (cutoffs[chosen[-1]] if chosen else place):
                chosen.append(earlier)
        weights = fit_weights([tried[one] for one in chosen[:MOST_ORIGINS]], "price")
        parts = {name: one[number] for name, one in found.items()}
        paths = mix_paths(parts, *panel.items, weights.get("price", weights[PANEL]))
        made.append(Forecast(panel.items, paths[None], {}))
    return made


def _tried(
    panel: Panel, place: int, horizon: int, forecasts: Mapping[str, Forecast]
) -> BacktestPoints:
    train = panel.until(panel.periods[place])
    actual, steps = actual_values(panel, train, horizon), np.full((1, 2), horizon)
    return summarise_origin(train, actual, forecasts, steps, typical_size(train))


def score_forecasts(
    panel: Panel, cutoffs: npt.NDArray[np.int64], forecasts: Sequence[Forecast], seconds: float
) -> Scores:
    """Published quantiles and paths of one model, at each cutoff."""
    horizon = forecasts[0].paths.shape[2]
    rows = [
        _score_origin(one, panel.values[0, place + 1 : place + 1 + horizon])
        for one, place in zip(forecasts, cutoffs, strict=True)
    ]
    return _scores(rows, seconds)


def _scores(rows: Sequence[list[float]], seconds: float) -> Scores:
    absolute, crps, covered = np.array(rows).T
    return Scores(absolute, crps, covered, seconds)


def _score_origin(forecast: Forecast, actual: Floats) -> list[float]:
    cuts = np.quantile(forecast.paths[0], (0.1, 0.5, 0.9), axis=0, method="inverted_cdf")
    low, median, high = cuts
    points = forecast.paths[0].T.astype(np.float64)
    inside = np.where(np.isnan(actual), np.nan, (low < actual) & (actual <= high))
    found = (np.abs(actual - median), scores.crps(points, actual), inside)
    return [float(np.nanmean(part)) for part in found]


def compare(name: str, found: Scores, base: Scores, block: int) -> PriceLine:
    """A model against the Gaussian walk, over the same origins."""
    count = len(base.crps)
    rng = np.random.default_rng(SEED)
    starts = rng.integers(0, count - block + 1, (ROUNDS, math.ceil(count / block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(ROUNDS, -1)
    ratios = found.crps[drawn].sum(axis=1) / base.crps[drawn].sum(axis=1)
    return PriceLine(
        model=name,
        mae_change=100 * float(found.absolute.sum() / base.absolute.sum() - 1),
        crps_ratio=float(found.crps.sum() / base.crps.sum()),
        crps_error=float(ratios.std()),
        coverage=100 * float(found.covered.mean()),
        coverage_error=100 * float(found.covered[drawn].mean(axis=1).std()),
        ms=1000 * found.seconds / count,
    )


def price_lines(
    panel: Panel, cutoffs: npt.NDArray[np.int64], horizon: int, models: Sequence[str]
) -> list[PriceLine]:
    """One line a model, least CRPS first."""
    spacing = float(np.mean(np.diff(cutoffs)))
    block = min(math.ceil(BLOCK * horizon / spacing), len(cutoffs))
    base = score_base(panel, cutoffs, horizon)
    forecasts, seconds = forecast_all(panel, cutoffs, horizon, models)
    found = {BASE: base}
    for name, made in forecasts.items():
        found[name] = score_forecasts(panel, cutoffs, made, seconds[name])
    if set(REFERENCES["price"]) <= set(models):
        start = time.perf_counter()
        combined = ensembles(panel, cutoffs, horizon, forecasts)
        taken = sum(seconds.values()) + time.perf_counter() - start
        found[ENSEMBLE] = score_forecasts(panel, cutoffs, combined, taken)
    lines = [compare(name, one, base, block) for name, one in found.items()]
    return sorted(lines, key=lambda line: line.crps_ratio)


FILES = {"brent": "brent_daily.csv", "usd_brl": "usd_brl_ptax_close.parquet"}
COLUMNS = {"usd_brl": "usd_brl_sell"}  # where a file holds more than one price
# Times of their own: long quiet years would hide what happened in the others.
WINDOWS = {"brent": ((None, date(2001, 1, 1)), (date(2001, 1, 1), date(2018, 1, 1)),
                     (date(2018, 1, 1), None))}  # fmt: skip
HORIZON = Frequency.BUSINESS.default_horizon


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Lines of one price."""

    dataset: str  # name
    count: int  # origins
    first: str  # day of the first one
    last: str  # day of the last one
    lines: tuple[PriceLine, ...]  # one a model, least CRPS first


def price_files(data: Path | None) -> dict[str, Path]:
    """Price files that a folder holds, by name."""
    if data is None:
        return {}
    return {name: data / file for name, file in FILES.items() if (data / file).exists()}


def compare_prices(data: Path | None, only: Sequence[str], count: int) -> list[PriceTable]:
    """Every wanted price file; with ``only``, those that it names.

    Times that the file has no room for are left out aloud.

    Raises:
        DataError: A file cannot be used.
    """
    named = [name for name in only if name in FILES]
    files = price_files(data)
    found = []
    for name, file in files.items():
        if only and name not in named:
            continue
        panel = read_panel(file, COLUMNS.get(name))
        for window in WINDOWS.get(name, ((None, None),)):
            try:
                found.append(_table(name, panel, count, *window))
            except DataError as error:
                times = " to ".join(str(end or "...") for end in window)
                say(f"{name}, {times}: left out: {error}")
    return found


def _table(
    name: str, panel: Panel, count: int, first: date | None, last: date | None
) -> PriceTable:
    cutoffs = origins(panel, first=first, last=last, count=count, horizon=HORIZON)
    days = [str(panel.periods[cutoffs[end]]) for end in (0, -1)]
    say(f"{name}: {len(cutoffs)} origins from {days[0]}")
    lines = price_lines(panel, cutoffs, HORIZON, REFERENCES["price"])
    return PriceTable(name, len(cutoffs), days[0], days[1], tuple(lines))
