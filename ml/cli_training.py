"""The command line that the four training commands share."""

from datetime import datetime
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, require_ml_processing

AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Last period to see, by its start; nothing later is used."
    ),
]
Horizon = Annotated[
    int | None,
    typer.Option(help="Periods ahead, of each panel.", show_default="30 days, 13 weeks, 12 months"),
]
Jobs = Annotated[int | None, typer.Option(help="Worker processes.", show_default="one a core")]


def run_training(family: str, about: str) -> None:
    """Offer a training command for one family.

    Args:
        family: prophet, arima, lstm or ensemble.
        about: What its help says.
    """
    app = typer.Typer(add_completion=False, context_settings=HELP)

    @app.command(help=about)
    def train(horizon: Horizon = None, as_of: AsOf = None, jobs: Jobs = None) -> None:
        with exit_on_error():
            require_ml_processing()
            from ml.run.commands import Asked, train_family

            day = as_of.date() if as_of else None
            asked = Asked(horizon=horizon, as_of=day, jobs=jobs)
            for folder in train_family(family, asked):
                typer.echo(f"trained: {folder}")

    app()
