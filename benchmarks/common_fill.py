"""What a common fill saves against one level for every item, on the last months of a file.

At each review a model is fitted to what was known, levels are taken from its paths, and stock is
run on what came; so it is by the rule of mean + z sigma sqrt(P) of the year before. Unit costs are
log-normal, a fifth of the items is critical: both are drawn by the items' names.

Usage: PYTHONPATH=. .venv/bin/python benchmarks/common_fill.py FILE [--model empirical]
       [--lead 2] [--months 12] [--warm-up 6] [--sigma 1.5]
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from scipy.special import ndtri

from ml.cli import exit_on_error
from ml.forecasters.base import predict
from ml.forecasters.registry import forecaster
from ml.frequency import Frequency
from ml.inventory.lead_time_demand import sample_quantile
from ml.inventory.portfolio import ItemDemand, divide_fill, marginal_curve
from ml.panel import Floats, Panel
from ml.seeds import generator
from ml.simulation.curves import (
    Resampling,
    draw_samples,
    interval,
    service_curve,
    stock_at,
    stock_curve,
)
from ml.simulation.engine import ServiceRecord, SimulatedItems, simulate

N_PATHS = 1000
CRITICAL_LEVEL = 0.95  # kept by critical items where there are floors
LEVELS = (.5, .6, .7, .8, .85, .9, .925, .95, .965, .975, .985, .99, .995, .998)  # fmt: skip
FILLS = (.7, .8, .85, .875, .9, .925, .95, .965, .975, .985, .99, .995)  # fmt: skip
RULE = "mean + z sigma"
METHODS = {"one level": LEVELS, "common fill": FILLS, "with floors": FILLS, RULE: LEVELS}
RULE_MONTHS = 12
COMPARED = (0.8, 0.9, 0.95)


def main(
    file: Annotated[Path, typer.Argument(help="Parquet: item_id, date, quantity by the month.")],
    model: Annotated[str, typer.Option(help="Reference model.")] = "empirical",
    lead: Annotated[int, typer.Option(min=1, help="Lead time in months.")] = 2,
    months: Annotated[int, typer.Option(min=1, help="Months that count.")] = 12,
    warm_up: Annotated[int, typer.Option(min=0, help="Reviews before them.")] = 6,
    sigma: Annotated[float, typer.Option(min=0, help="Of unit costs; 0 = all cost 1.")] = 1.5,
) -> None:
    """Print fills at nominal targets, and the value of stock at equal fill."""
    with exit_on_error():
        panel = read_panel(file)
        worth = np.array(
            [generator(0, "unit cost", one).lognormal(0, sigma) for one in panel.items]
        )
        critical = np.array([generator(0, "critical", one).random() < 0.2 for one in panel.items])
        first = len(panel.periods) - months - lead
        start = first - warm_up
        levels = list(_levels(panel, model, lead, range(start, first + months), worth, critical))
        levels += levels[-1:] * lead  # of orders that come too late to count
        items = _items(panel, start, first, lead)
        samples = draw_samples(panel.items, 1, seed=0)
        runs = {}
        for place, method in enumerate(METHODS):
            own = np.stack([one[place] for one in levels], axis=1)
            runs[method] = simulate(items, own, own)
    typer.echo(f"{file.stem}: {len(panel.items)} items, {model}, lead time {lead}")
    for line in report(runs, samples, worth, critical):
        typer.echo(line)


def report(
    runs: Mapping[str, ServiceRecord], samples: Resampling, worth: Floats, critical: Floats
) -> Iterator[str]:
    """Lines on each method at nominal targets, and on their stock at equal fill."""
    fills = {method: service_curve(run, "unit_fill", samples) for method, run in runs.items()}
    lines = {method: service_curve(run, "line_fill", samples)[0] for method, run in runs.items()}
    values = {method: stock_curve(run, worth, samples) for method, run in runs.items()}
    for method, targets in METHODS.items():
        for place, target in enumerate(targets):
            if target in {0.9, 0.95, 0.99}:
                yield (
                    f"  {method} {target}: fill {fills[method][0, place]:.3f}, "
                    f"order lines {lines[method][place]:.3f}, of critical items "
                    f"{_lines_of(runs[method], critical)[place]:.3f}, "
                    f"stock value {values[method][0, place]:,.0f}"
                )
    for fill in COMPARED:
        plain = stock_at(fills["one level"], values["one level"], fill)
        for method in ("common fill", "with floors"):
            ratio = stock_at(fills[method], values[method], fill) / plain
            ends = " to ".join("?" if one is None else f"{one:.3f}" for one in interval(ratio))
            told = [np.interp(fill, fills[one][0], lines[one]) for one in ("one level", method)]
            yield (
                f"  at a fill of {fill}: {method} {ratio[0]:.3f} of the value ({ends}), "
                f"order lines {told[1]:.3f} for {told[0]:.3f}"
            )
    for place, level in enumerate(LEVELS):
        if level in {0.8, 0.9, 0.95, 0.99}:
            fill = float(fills[RULE][0, place])
            held = stock_at(fills[RULE], values[RULE], fill)
            for method in ("one level", "common fill", "with floors"):
                ratio = stock_at(fills[method], values[method], fill) / held
                ends = " to ".join("?" if one is None else f"{one:.3f}" for one in interval(ratio))
                yield (
                    f"  at the fill of {RULE} at {level}, {fill:.3f}: {method} {ratio[0]:.3f} of "
                    f"its value ({ends})"
                )


def read_panel(file: Path) -> Panel:
    """All items of a file of monthly demand."""
    rows = pd.read_parquet(file).astype({"item_id": str})
    wide = rows.pivot_table(index="item_id", columns="date", values="quantity").sort_index()
    days = wide.columns.to_numpy().astype("datetime64[D]")
    items = tuple(wide.index)
    return Panel(
        "demand", Frequency.MONTHLY, items, days, wide.to_numpy(float), (None,) * len(items)
    )


def _levels(
    panel: Panel, model: str, lead: int, reviews: range, worth: Floats, critical: Floats
) -> Iterator[tuple[Floats, ...]]:
    """Order-up-to levels (N, K) of each method at the start of each period, from those before."""
    for start in reviews:
        train = panel.until(panel.periods[start - 1])
        drawn = predict(
            forecaster(model).fit(train), panel.items, lead + 1, seed=0, n_paths=N_PATHS
        )
        paths = np.nan_to_num(drawn.paths.astype(float))
        until, protected = paths[:, :, :lead].sum(axis=2), paths.sum(axis=2)
        ordered = np.sort(protected, axis=1)
        floors = [sample_quantile(one, CRITICAL_LEVEL) for one in ordered]
        found = [np.array([[sample_quantile(one, at) for at in LEVELS] for one in ordered])]
        for kept in (np.zeros(len(worth)), np.where(critical, floors, 0.0)):
            curves = [
                marginal_curve(item, ItemDemand(*sums, Frequency.MONTHLY.days, cost), floor)
                for item, *sums, cost, floor in zip(
                    panel.items, until, protected, worth, kept, strict=True
                )
            ]
            divided = [divide_fill(curves, fill).points for fill in FILLS]
            found.append(np.array([[one[item] for one in divided] for item in panel.items]))
        yield (*found, _rule_levels(train, lead + 1))


def _rule_levels(train: Panel, periods: int) -> Floats:
    """Mean + z sigma sqrt(P) of the last year, in whole units, (N, K)."""
    year = train.values[:, -RULE_MONTHS:]  # noqa: PD011 - a Panel's
    seen = np.sum(~np.isnan(year), axis=1)
    mean = np.nansum(year, axis=1) / np.maximum(seen, 1)
    squares = np.nansum((year - mean[:, None]) ** 2, axis=1)
    spread = np.sqrt(squares / np.maximum(seen - 1, 1))
    safety = ndtri(LEVELS) * (spread * np.sqrt(periods))[:, None]
    return np.ceil(np.maximum((mean * periods)[:, None] + safety, 0.0) - 1e-9)


def _items(panel: Panel, start: int, first: int, lead: int) -> SimulatedItems:
    """The demand that came, reviewed every month; orders of any whole size."""
    demand = panel.since(start).values  # noqa: PD011 - a Panel's
    count, periods = demand.shape
    return SimulatedItems(
        demand=demand, counted=~np.isnan(demand), lead=np.full(demand.shape, lead),
        review=np.ones(count, np.int64), least=np.zeros(count), step=np.zeros(count),
        most=np.full(count, np.inf), part=np.where(np.arange(periods) < first - start, -1, 0),
    )  # fmt: skip


def _lines_of(run: ServiceRecord, rows: Floats) -> Floats:
    """Share of the periods with demand that was served whole, of some items, by level."""
    own = run.of(rows.astype(bool))
    share: Floats = own.full_lines.sum(axis=(0, 1)) / own.lines.sum()
    return share


if __name__ == "__main__":
    typer.run(main)
