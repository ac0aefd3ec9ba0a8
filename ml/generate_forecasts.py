"""Forecast from trained models. Usage: python ml/generate_forecasts.py --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, item_list, require_ml_processing
from ml.cli_training import AsOf, Horizon, Jobs
from ml.errors import ConfigError

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command(help="Forecast DATA_DIR/processed with the models trained on it (a partial version).")
def main(
    items: Annotated[str | None, typer.Option(help='Only these items: "a,b".')] = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    results: Annotated[Path | None, typer.Option(help="Folder of the results.")] = None,
    jobs: Jobs = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="ITEM", help="Forecast nothing: say why the newest one is as it is."),
    ] = None,
) -> None:
    """Parse the options and call one function."""
    with exit_on_error():
        if explain is not None:
            _explain(explain, results, others=(items, horizon, as_of, jobs))
            return
        require_ml_processing()
        from ml.run.commands import Asked, generate_forecasts

        day = as_of.date() if as_of else None
        asked = Asked(item_list(items), horizon, day, jobs, results)
        _, result = generate_forecasts(asked)
        typer.echo(f"version {result.record.version_id}: forecasts written, partial")


def _explain(item: str, results: Path | None, *, others: tuple[object, ...]) -> None:
    if any(option is not None for option in others):
        raise ConfigError("--explain reads what is saved: of the other options it takes --results.")
    from ml.run.explain import explain
    from ml.settings import settings

    config = settings()
    typer.echo(explain(item, config, (results or config.ml_results_path).resolve()))


if __name__ == "__main__":
    app()
