"""What people see of a simulation: its tables, a picture, and what it comes to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from ml.durable import discard_leftovers, write_file
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.reporting.metrics import to_csv
from ml.reporting.pictures import CURVES, draw_service
from ml.simulation.levels import RULE

PICTURE = "stock_against_service.png"
COMPARED, SORTED = ("rule_90", "rule_95", "rule_99"), "rule_95"
SINGLE = 3  # models told beside the ensemble
SHOWN = {
    "level": "target",
    "promised_service": "promised",
    "cycle_service": "cycles without shortage",
    "demand_cycle_service": "of those with demand",
    "unit_fill": "units at once",
    "line_fill": "order lines at once",
}


def write_simulation(
    simulation: pa.Table, curves: pa.Table, title: str, folder: Path
) -> list[Path]:
    """Both tables as CSV, and the picture."""
    discard_leftovers(folder)
    tables = {"simulation.csv": simulation, "portfolio_curves.csv": curves}
    return [
        *(write_file(folder / name, to_csv(table.column_names, table.to_pylist()))
          for name, table in tables.items()),
        draw_service(simulation, title, folder / PICTURE),
    ]  # fmt: skip


def show_simulation(simulation: pa.Table, curves: pa.Table, title: str, folder: Path) -> None:
    """Print what the ensemble's levels achieved, and who needs how much stock for the same fill."""
    console = Console(highlight=False)
    whole = [row for row in simulation.to_pylist() if row["demand_class"] == PANEL]
    own = [row for row in whole if row["method"] == ENSEMBLE]
    achieved = Table(title=f"{title}: the ensemble", title_justify="left")
    for name in (*SHOWN.values(), f"stock [{own[0]['value_unit']}]"):
        achieved.add_column(name, justify="right")
    for row in own:
        cells = [_share(row[name]) for name in SHOWN]
        achieved.add_row(*cells, f"{row['stock_value'] or 0.0:,.0f}")
    console.print(achieved)
    console.print(_tell_needed(curves))
    first = own[0]
    console.print(
        f"{first['n_items']} items, {first['n_cycles']} cycles of "
        f"{first['protection_periods']:.1f} periods on average, levels of {first['n_origins']} "
        f"origins; reports: {folder}",
        soft_wrap=True,
    )


def _tell_needed(curves: pa.Table) -> Table:
    """Who needs how much stock for the same fill: ensemble, rules and the best single models."""
    rows = {(row["method"], row["anchor"]): row for row in curves.to_pylist()
            if row["measure"] == "unit_fill"}  # fmt: skip
    found = {method: row["ratio"] for (method, anchor), row in rows.items()
             if anchor == SORTED and row["ratio"] is not None}  # fmt: skip
    in_order = sorted(found, key=lambda method: (found[method], method))
    single = [method for method in in_order if method not in CURVES][:SINGLE]
    table = Table(title="stock for the units at once that mean_sigma serves, over its own",
                  title_justify="left")  # fmt: skip
    table.add_column("method")
    for anchor in COMPARED:
        fill = rows[RULE, anchor]["service"] if (RULE, anchor) in rows else None
        table.add_column(f"its .{anchor[-2:]}: {_share(fill)}", justify="right")
    for method in in_order:
        if method in CURVES or method in single:
            table.add_row(method, *(_ratio(rows.get((method, anchor))) for anchor in COMPARED))
    return table


def tell_stock(curves: pa.Table) -> list[str]:
    """What the ensemble needs for the fill that the rule reaches, in a sentence; none unknown."""
    found = [row for row in curves.to_pylist() if row["method"] == ENSEMBLE
             and (row["measure"], row["anchor"]) == ("unit_fill", SORTED)
             and row["ratio"] is not None]  # fmt: skip
    return [
        f"stock in the backtest: {_ratio(row)} of what mean + z sigma root P holds with its .95, "
        f"at the same {row['service']:.0%} of units served at once"
        for row in found
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _ratio(row: Mapping[str, Any] | None) -> str:
    if row is None or row["ratio"] is None:
        return ""
    ends = (row["ratio_low"], row["ratio_high"])
    sure = "" if None in ends else f" ({ends[0]:.0%} to {ends[1]:.0%})"
    return f"{row['ratio']:.0%}{sure}"
