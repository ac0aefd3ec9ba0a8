"""Publish the newest version of the results. Usage: deploy_ml_results --help."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error

app = typer.Typer(add_completion=False, context_settings=HELP)
ACTIONS, LIMITS, WHERE = "Instead of publishing", "Details", "From where, to where"


def _flag(name: str, text: str, panel: str) -> bool:
    return typer.Option(name, help=text, rich_help_panel=panel)


@app.command()
def run(
    version: Annotated[
        str | None, typer.Argument(help="With --verify: the version; the newest without it.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="A folder instead of the S3 store.", rich_help_panel=WHERE
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results.", show_default="ML_RESULTS_PATH", rich_help_panel=WHERE
        ),
    ] = None,
    list_: Annotated[bool, _flag("--list", "Show the log, newest first.", ACTIONS)] = False,
    verify: Annotated[
        bool, _flag("--verify", "Read a version back and compare it.", ACTIONS)
    ] = False,
    rollback: Annotated[
        bool, _flag("--rollback", "Make an earlier version the newest again.", ACTIONS)
    ] = False,
    to_seq: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --rollback: the number in --list.",
            show_default="the version before",
            rich_help_panel=ACTIONS,
        ),
    ] = None,
    gc: Annotated[
        bool, _flag("--gc", "Mark old versions, remove what was marked a grace ago.", ACTIONS)
    ] = False,
    keep: Annotated[
        int, typer.Option(min=1, help="With --gc: last versions kept.", rich_help_panel=ACTIONS)
    ] = 30,
    days: Annotated[
        float,
        typer.Option(
            min=0, help="With --gc: days that any version is kept.", rich_help_panel=ACTIONS
        ),
    ] = 7.0,
    grace: Annotated[
        float,
        typer.Option(min=0, help="With --gc: hours from mark to removal.", rich_help_panel=ACTIONS),
    ] = 24.0,
    pin: Annotated[
        list[str] | None,
        typer.Option(help="With --gc: a version to keep. Repeatable.", rich_help_panel=ACTIONS),
    ] = None,
    doctor: Annotated[bool, _flag("--doctor", "Look the whole store over.", ACTIONS)] = False,
    print_policies: Annotated[
        bool,
        _flag("--print-policies", "The policies of the three keys of an S3 bucket.", ACTIONS),
    ] = False,
    dry_run: Annotated[
        bool, _flag("--dry-run", "Only say what would be published or removed.", LIMITS)
    ] = False,
    force: Annotated[
        bool, _flag("--force", "Publish although a later day is published.", LIMITS)
    ] = False,
    expect_parent: Annotated[
        int | None,
        typer.Option(
            min=0, help="Publish only if this record is the newest.", rich_help_panel=LIMITS
        ),
    ] = None,
    single_writer: Annotated[
        bool,
        _flag(
            "--single-writer",
            "For a store without conditional writes: nobody else ever publishes there.",
            LIMITS,
        ),
    ] = False,
) -> None:
    """Publish the newest whole version to the S3 store of the settings, or to a folder.

    All of it appears at once, verified, or nothing does. Run again after any interruption: what
    is there already is not sent again.
    """
    with exit_on_error():
        from ml.settings import settings
        from pipelines.publish import command
        from pipelines.publish.collect_garbage import Retention
        from pipelines.publish.store import Store

        action = command.one_of(
            [
                ("--list", list_),
                ("--verify", verify),
                ("--rollback", rollback),
                ("--gc", gc),
                ("--doctor", doctor),
                ("--print-policies", print_policies),
            ]
        )
        command.check_details(
            action,
            version=version,
            to_seq=to_seq,
            dry_run=dry_run,
            force=force,
            expect_parent=expect_parent,
            pin=pin or (),
        )
        folder = results or settings().ml_results_path

        def store() -> Store:
            return command.chosen_store(to, folder, single_writer=single_writer)

        def kept() -> Retention:
            return Retention(
                versions=keep,
                age=timedelta(days=days),
                pins=tuple(pin or ()),
                grace=timedelta(hours=grace),
            )

        actions: dict[str | None, Callable[[], Iterator[str]]] = {
            "--list": lambda: command.listed(store()),
            "--verify": lambda: command.verified(store(), version),
            "--rollback": lambda: command.rolled_back(store(), to_seq),
            "--gc": lambda: command.collected(store(), kept(), dry_run=dry_run),
            "--doctor": lambda: command.examined(store()),
            "--print-policies": command.policy_lines,
            None: lambda: (
                command.rehearse(store(), folder, force=force)
                if dry_run
                else command.deploy(store(), folder, force=force, expect_parent=expect_parent)
            ),
        }
        for line in actions[action]():
            typer.echo(line)


def main() -> None:
    """Console command."""
    app()


if __name__ == "__main__":
    main()
