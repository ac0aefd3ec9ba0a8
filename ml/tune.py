"""Search better settings of a pooled model. Usage: python ml/tune.py --help."""

from typing import Annotated

import typer

from ml.cli import HELP, AsOf, Horizon, Jobs, exit_on_error, require_ml_processing, start

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def tune(
    family: Annotated[str, typer.Option(help="Pooled model to tune: trees or lstm.")] = "trees",
    trials: Annotated[
        int, typer.Option(min=1, help="Candidates, the present settings among them.")
    ] = 20,
    items: Annotated[
        int | None,
        typer.Option(min=2, help="Only so many items, by hash.", show_default="BACKTEST_ITEMS"),
    ] = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    jobs: Jobs = None,
) -> None:
    """Search settings of a pooled model on older origins; take those surely better on newer ones.

    What is accepted is used by every later run on panels of this kind, until a file below
    MODELS_DIR/tuning is removed. Needs Optuna (requirements_tune.txt).
    """
    with exit_on_error():
        require_ml_processing()
        from ml.logs import logging_to
        from ml.run.request import RunRequest
        from ml.run.tuned import describe
        from ml.run.tuning import tune as search

        request = RunRequest(command="tune", horizon=horizon, as_of=as_of, jobs=jobs, drivers=False)
        with logging_to(request.settings.log_dir, request.command, request.run_id):
            results = search(family, request, trials=trials, items=items, say=typer.echo)
        for result in results:
            for line in describe(result):
                typer.echo(line)


if __name__ == "__main__":
    start(app)
