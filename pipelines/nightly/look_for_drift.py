"""What of a night's input is no longer what it was.

Usage: python -m pipelines.nightly.look_for_drift [--results PATH].
"""

import typer

from ml.cli import HELP, Results, exit_on_error, start

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def look(results: Results = None) -> None:
    """Compare the last periods, history as such, and forecasts in life with what was before."""
    with exit_on_error():
        from ml.run.request import RunRequest
        from pipelines.nightly.drift_watch import watch_drift

        request = RunRequest(command="look_for_drift", results_folder=results, drivers=False)
        for line in watch_drift(request):
            typer.echo(line)


if __name__ == "__main__":
    start(app)
