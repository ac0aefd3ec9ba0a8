"""A night's looks at its input: what a run would be made of, and what is no longer what it was.

Usage: python -m pipelines.nightly.looks check-inputs | look-for-drift [--results PATH]. What the
first one found goes to ``DATA_DIR/nights/checked.json``; the recipe in it names what models are
made of, so that the ledger can say why they changed.
"""

from dataclasses import asdict
from typing import Any

import typer

from ml.cli import HELP, Results, exit_on_error, start

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def check_inputs(results: Results = None) -> None:
    """Read the tables as a run would, and say what they hold."""
    with exit_on_error():
        from ml.durable import disk_errors, write_sealed
        from ml.processed import has_processed
        from ml.run.inputs import read_processed
        from ml.run.request import RunRequest
        from pipelines.nightly.steps import CHECKED

        request = RunRequest(command="check_inputs", results_folder=results)
        data_dir = request.settings.data_dir
        if has_processed(data_dir):
            inputs = read_processed(request)
        else:
            from pipelines.intake.request import ReadingRequest
            from pipelines.job.find_inputs import find_inputs

            inputs = find_inputs(ReadingRequest(today=request.today), request)
        found = describe(inputs, request)
        with disk_errors("checking the input", "Correct that and run again."):
            write_sealed(data_dir / CHECKED, found)
        for name, panel in found["panels"].items():
            typer.echo(f"{name}: {panel['items']} items until {panel['until']}")


@app.command()
def look_for_drift(results: Results = None) -> None:
    """Compare the last periods, history as such, and forecasts in life with what was before."""
    with exit_on_error():
        from ml.run.request import RunRequest
        from pipelines.nightly.drift_watch import watch_drift

        request = RunRequest(command="look_for_drift", results_folder=results, drivers=False)
        for line in watch_drift(request):
            typer.echo(line)


def describe(inputs: Any, request: Any) -> dict[str, Any]:
    """What a run on these inputs would be made of, in plain values.

    ``inputs`` are :class:`ml.run.inputs.RunInputs`, ``request`` a
    :class:`ml.run.request.RunRequest`; both are imported where the command runs.
    """
    from ml.processed import SYNTHETIC
    from ml.run.plan import panel_name
    from ml.run.tuned import read_tuned
    from ml.seeds import code_version

    config, panels, tuned = request.settings, {}, {}
    for panel in inputs.panels:
        name = panel_name(panel.kind, panel.frequency, panel.cutoff)
        panels[name] = {
            "items": len(panel.items),
            "periods": len(panel.periods),
            "until": str(panel.cutoff),
            "frequency": panel.frequency.value,
        }
        tuned[name] = {
            family: dict(own) for family, own in read_tuned(config.models_dir, name).items()
        }
    return {
        "panels": panels,
        "synthetic": SYNTHETIC in inputs.source.values(),
        "refusals": len(inputs.refusals),
        "tables": {name: asdict(facts) for name, facts in inputs.tables.items()},
        "recipe": {
            "data": inputs.dataset_id(),
            "code": code_version(),
            "seed": config.seed,
            "tuned settings": tuned,
            "BACKTEST_ITEMS": config.backtest_items,
            "REFIT_DAYS": config.refit_days,
        },
    }


if __name__ == "__main__":
    start(app)
