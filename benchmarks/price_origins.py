"""Price models at rolling origins of one file; see :mod:`benchmarks.accuracy.prices`.

Usage: PYTHONPATH=. .venv/bin/python benchmarks/price_origins.py FILE [--column NAME]
       [--first DATE] [--last DATE] [--origins 200] [--horizon 30] [--models "a,b"]
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.accuracy.prices import origins, price_lines, read_panel
from ml.cli import exit_on_error
from ml.forecasters.registry import REFERENCES


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
) -> None:
    """Print one line a model, best first; the ensemble too where all its references are there."""
    with exit_on_error():
        panel = read_panel(file, column)
        days = [None if day is None else day.date() for day in (first, last)]
        cutoffs = origins(panel, first=days[0], last=days[1], count=count, horizon=horizon)
        typer.echo(
            f"{panel.items[0]}: {len(cutoffs)} origins, {panel.periods[cutoffs[0]]} to "
            f"{panel.periods[cutoffs[-1]]}, {horizon} periods ahead"
        )
        lines = price_lines(panel, cutoffs, horizon, models.split(","))
    typer.echo(f"{'model':<18} {'MAE':>8}  {'CRPS ratio':<15}  {'80 % interval':<13}  {'ms':>5}")
    for line in lines:
        typer.echo(
            f"{line.model:<18} {line.mae_change:+7.2f}%  {line.crps_ratio:.4f} ± "
            f"{line.crps_error:.4f}  {line.coverage:5.1f} ± {line.coverage_error:.1f} %  "
            f"{line.ms:5.0f}"
        )


if __name__ == "__main__":
    typer.run(main)
