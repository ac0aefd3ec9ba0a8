"""What the nights did, and why. Usage: python pipelines/history.py --help."""

from datetime import date
from typing import Annotated

import typer

from ml.cli import HELP, Results, exit_on_error, read_day, start

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def history(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    last: Annotated[int, typer.Option(metavar="N", help="So many runs, the newest.")] = 14,
    run: Annotated[
        int | None, typer.Option(metavar="N", help="The steps and decisions of one run.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Which data, code, model and seed made a version."),
    ] = None,
    models: Annotated[bool, typer.Option("--models", help="Why models were changed.")] = False,
    item: Annotated[
        str | None, typer.Option(metavar="ITEM", help="With --on: what was said about an item.")
    ] = None,
    on: Annotated[
        date | None,
        typer.Option(parser=read_day, metavar="YYYY-MM-DD", help="The day of it."),
    ] = None,
    cost: Annotated[bool, typer.Option("--cost", help="What runs took, by step.")] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="The questions as queries on the ledger.")
    ] = False,
    results: Results = None,
) -> None:
    """Show the ledger of the nights: the last runs, or the answer to one question."""
    with exit_on_error():
        from ml.errors import ConfigError
        from ml.settings import settings
        from pipelines.nightly import history as answers

        config = settings()
        data_dir = config.data_dir
        if (item is None) != (on is None):
            raise ConfigError("--item and --on go together: --item A-1 --on 2026-11-20.")
        if sql:
            lines = answers.show_queries()
        elif run is not None:
            lines = answers.show_run(data_dir, run)
        elif version is not None:
            lines = answers.show_made(data_dir, version)
        elif models:
            lines = answers.show_models(data_dir, last)
        elif item is not None and on is not None:
            lines = answers.show_said(data_dir, results or config.ml_results_path, item, on)
        elif cost:
            lines = answers.show_cost(data_dir, last)
        else:
            lines = answers.show_runs(data_dir, last)
        for line in lines:
            typer.echo(line)


if __name__ == "__main__":
    start(app)
