"""The price files of a folder, each scored at many origins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.accuracy.prices import PriceLine, origins, price_lines, read_panel
from benchmarks.speed.watch import say
from ml.errors import DataError
from ml.forecasters.registry import REFERENCES
from ml.frequency import Frequency
from ml.panel import Panel

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
