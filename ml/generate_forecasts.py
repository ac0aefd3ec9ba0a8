"""Forecast from trained models. Usage: python ml/generate_forecasts.py --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, item_list, require_ml_processing
from ml.cli_training import AsOf, Horizon, Jobs

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command(help="Forecast DATA_DIR/processed with the models trained on it (a partial version).")
def main(
    items: Annotated[str | None, typer.Option(help='Only these items: "a,b".')] = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    results: Annotated[Path | None, typer.Option(help="Folder of the results.")] = None,
    jobs: Jobs = None,
) -> None:
    """Parse the options and call one function."""
    with exit_on_error():
        require_ml_processing()
        from ml.batch.commands import Asked, generate_forecasts

        day = as_of.date() if as_of else None
        asked = Asked(item_list(items), horizon, day, jobs, results)
        _, result = generate_forecasts(asked)
        typer.echo(f"version {result.record.version_id}: forecasts written, partial")


if __name__ == "__main__":
    app()
