"""Forecast from trained models. Usage: python ml/generate_forecasts.py --help."""

from typing import Annotated

import typer

from ml.cli import (
    HELP,
    AsOf,
    Engine,
    Horizon,
    Items,
    Jobs,
    RayAddress,
    Results,
    exit_on_error,
    name_list,
    require_ml_processing,
    start,
    worker_wishes,
)
from ml.errors import ConfigError

app = typer.Typer(add_completion=False, context_settings=HELP)
explain_app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def generate_forecasts(
    items: Items = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    results: Results = None,
    jobs: Jobs = None,
    engine: Engine = None,
    ray_address: RayAddress = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="ITEM", help="Forecast nothing: say why the newest one is as it is."),
    ] = None,
) -> None:
    """Forecast DATA_DIR/processed with the models trained on it (a partial version)."""
    with exit_on_error():
        if explain is not None:
            others = (items, horizon, as_of, jobs, engine, ray_address)
            if any(option is not None for option in others):
                raise ConfigError(
                    "--explain reads what is saved: of the other options it takes --results."
                )
            explain_forecast(explain, results)
            return
        require_ml_processing()
        from ml.run.request import RunRequest
        from ml.run.run import generate_forecasts as run
        from ml.settings import settings

        request = RunRequest(
            command="generate_forecasts",
            items=name_list(items, "--items"),
            horizon=horizon,
            as_of=as_of,
            jobs=jobs,
            results_folder=results,
            train=False,
            only_forecasts=True,
            settings=settings().model_copy(update=worker_wishes(engine, ray_address)),
        )
        record = run(request)
        typer.echo(f"version {record.version_id}: forecasts written, partial")


@explain_app.command()
def explain_forecast(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of the item.")],
    results: Results = None,
) -> None:
    """Say why the newest forecast of an item is as it is."""
    with exit_on_error():
        from ml.run.explain import explain
        from ml.settings import settings

        config = settings()
        typer.echo(explain(item, config, (results or config.ml_results_path).resolve()))


if __name__ == "__main__":
    start(app)
