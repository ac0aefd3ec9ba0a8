"""The table of contents: every command behind one name. Usage: previsor --help."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

import typer

from ml.cli import HELP, start
from pipelines.publish import options
from scripts.deploy_ml_results import run as deploy

# Each line names the module whose ``app`` is the command: a door, not a second implementation.
DOORS = {
    "run": "scripts.generate_ml_results",
    "train prophet": "ml.train_prophet",
    "train arima": "ml.train_arima",
    "train lstm": "ml.train_lstm",
    "train trees": "ml.train_trees",
    "train ensemble": "ml.train_ensemble",
    "tune": "ml.tune",
    "forecast": "ml.generate_forecasts",
    "explain": "ml.generate_forecasts:explain_app",
    "simulate": "pipelines.simulate",
    "report": "pipelines.report",
    "etl demand": "pipelines.demand_etl",
    "etl climate": "pipelines.climate_etl",
    "etl economic": "pipelines.economic_etl",
    "etl anatel_5g": "pipelines.anatel_5g_etl",
    "etl prices": "pipelines.price_etl",
    "etl features": "pipelines.feature_calculation_etl",
    "etl import": "pipelines.import_history",
    "night": "scripts.auto_update_ml_results",
    "history": "pipelines.history",
    "promote": "pipelines.choose_models",
    "demote": "pipelines.choose_models:demote_app",
    "serve": "scripts.serve",
    "backup": "pipelines.backup",
    "restore": "pipelines.backup:restore_app",
    "reproduce": "pipelines.reproduce",
}
GROUPS = {
    "train": "Train one family of models on DATA_DIR/processed.",
    "etl": "Read your files, or collect outside data, into DATA_DIR/processed.",
}
OF_THE_STORE: dict[str, typer.Typer] = {}
MAKE, STORE = "Make results", "Publish, and look after what is published"

app = typer.Typer(context_settings=HELP, no_args_is_help=True)


@app.callback()
def _describe() -> None:
    """Forecast the demand for spare parts, recommend orders, and publish both whole or not at all.

    Start with `previsor run`. Each command answers --help.
    """


def _add_doors() -> None:
    """Give every door its name; the modules hold options only and load nothing heavy."""
    groups = {name: typer.Typer(help=text, no_args_is_help=True) for name, text in GROUPS.items()}
    for name, group in groups.items():
        app.add_typer(group, name=name, rich_help_panel=MAKE)
    for path, place in DOORS.items():
        group_name, _, name = path.rpartition(" ")
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute or "app").registered_commands[0]
        add = groups[group_name] if group_name else app
        panel = None if group_name else MAKE
        add.command(name, help=command.help, context_settings=HELP, rich_help_panel=panel)(
            command.callback
        )


_add_doors()


def _store_command(work: Callable[..., None]) -> Callable[..., None]:
    """A command on the published versions: `deploy_ml_results` with one of its actions."""
    alone = typer.Typer(context_settings=HELP, add_completion=False)
    alone.command()(work)
    OF_THE_STORE[work.__name__] = alone
    return app.command(work.__name__, context_settings=HELP, rich_help_panel=STORE)(work)


@_store_command
def publish(
    to: options.To = None,
    results: options.Results = None,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    expect_parent: options.ExpectParent = None,
    accept: options.Accept = None,
    allow_synthetic: options.AllowSynthetic = False,
    single_writer: options.SingleWriter = False,
) -> None:
    """Publish the newest whole version to the S3 store of the settings, or to a folder."""
    deploy(**locals())


@_store_command
def versions(to: options.To = None, results: options.Results = None) -> None:
    """Show the log of what is published, newest first."""
    deploy(**locals(), list_=True)


@_store_command
def verify(
    version: options.Version = None,
    all_: options.All = False,
    subset: options.Share = None,
    to: options.To = None,
    results: options.Results = None,
) -> None:
    """Read published versions back and compare every byte with what was committed."""
    deploy(**locals(), verify=True)


@_store_command
def repair(
    version: options.Version = None,
    all_: options.All = False,
    subset: options.Share = None,
    dry_run: options.DryRun = False,
    to: options.To = None,
    results: options.Results = None,
) -> None:
    """Put damaged files of published versions back from the results folder, and into it."""
    deploy(**locals(), repair=True)


@_store_command
def rollback(
    to_seq: options.ToSeq = None, to: options.To = None, results: options.Results = None
) -> None:
    """Make an earlier version the newest again; no data is moved."""
    deploy(**locals(), rollback=True)


@_store_command
def gc(
    keep: options.Keep = 30,
    days: options.Days = 7.0,
    grace: options.Grace = 24.0,
    pin: options.Pin = None,
    unpin: options.Unpin = None,
    local: options.Local = False,
    dry_run: options.DryRun = False,
    to: options.To = None,
    results: options.Results = None,
) -> None:
    """Mark versions that nobody needs, and remove those that were marked a grace ago."""
    deploy(**locals(), gc=True)


@_store_command
def doctor(to: options.To = None, results: options.Results = None) -> None:
    """Look the whole store over: conditions, log, pointer, versions, rights of the key."""
    deploy(**locals(), doctor=True)


@_store_command
def policies() -> None:
    """Print the policies of the three keys of an S3 bucket."""
    deploy(print_policies=True)


def _open_door(words: list[str]) -> None:
    """Call the command that is named by the first words, past the groups around it.

    They would load Pydantic to read options of their own, which takes longer than most helps.
    """
    for length in (2, 1):
        path = " ".join(words[:length])
        command = OF_THE_STORE.get(path)
        if path in DOORS:
            module, _, attribute = DOORS[path].partition(":")
            command = getattr(import_module(module), attribute or "app")
        if command is not None:
            command(args=words[length:], prog_name=f"previsor {path}")


def _answer() -> None:
    if "_PREVISOR_COMPLETE" not in os.environ:  # a shell that completes asks all of the commands
        _open_door(sys.argv[1:])
    app(prog_name="previsor")


def main() -> None:
    """Console command."""
    start(_answer)


if __name__ == "__main__":
    main()
