"""Publish the newest version of the results. Usage: deploy_ml_results --help."""

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, start
from pipelines.publish import options
from pipelines.publish.options import flag

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def run(
    version: options.Version = None,
    to: options.To = None,
    results: options.Results = None,
    list_: Annotated[bool, flag("--list", "Show the log, newest first.")] = False,
    verify: Annotated[bool, flag("--verify", "Read a version back and compare it.")] = False,
    repair: Annotated[
        bool, flag("--repair", "Put damaged files back from the results folder, and into it.")
    ] = False,
    all_: options.All = False,
    subset: options.Share = None,
    rollback: Annotated[
        bool, flag("--rollback", "Make an earlier version the newest again.")
    ] = False,
    to_seq: options.ToSeq = None,
    gc: Annotated[
        bool, flag("--gc", "Mark old versions, remove what was marked a grace ago.")
    ] = False,
    keep: options.Keep = 30,
    days: options.Days = 7.0,
    grace: options.Grace = 24.0,
    pin: options.Pin = None,
    unpin: options.Unpin = None,
    local: options.Local = False,
    doctor: Annotated[bool, flag("--doctor", "Look the whole store over.")] = False,
    print_policies: Annotated[
        bool, flag("--print-policies", "The policies of the three keys of an S3 bucket.")
    ] = False,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    expect_parent: options.ExpectParent = None,
    accept: options.Accept = None,
    allow_synthetic: options.AllowSynthetic = False,
    single_writer: options.SingleWriter = False,
) -> None:
    """Publish the newest whole version to the S3 store of the settings, or to a folder.

    All of it appears at once, verified, or nothing does. Run again after any interruption: what
    is there already is not sent again.
    """
    with exit_on_error():
        from pipelines.publish import deploy, upkeep
        from pipelines.publish.collect_garbage import chosen_retention

        action = deploy.choose_action(
            {
                "--list": list_,
                "--verify": verify,
                "--repair": repair,
                "--rollback": rollback,
                "--gc": gc,
                "--doctor": doctor,
                "--print-policies": print_policies,
            },
            {
                f"VERSION ({version})": version is not None,
                "--all": all_,
                "--subset": subset is not None,
                "--to-seq": to_seq is not None,
                "--dry-run": dry_run,
                "--force": force,
                "--expect-parent": expect_parent is not None,
                "--pin": bool(pin),
                "--unpin": bool(unpin),
                "--local": local,
                "--accept": bool(accept),
                "--allow-synthetic": allow_synthetic,
            },
        )
        place = deploy.Deployment(to, results, single_writer)
        collect: Callable[..., Iterator[str]] = deploy.collect
        if local:
            from pipelines.retention.clear_local import clear as collect
        lines: dict[str, Callable[[], Iterator[str]]] = {
            "--list": lambda: deploy.list_log(place),
            "--verify": lambda: upkeep.verify_versions(place, version, every=all_, subset=subset),
            "--repair": lambda: upkeep.repair_versions(
                place, version, every=all_, subset=subset, dry_run=dry_run
            ),
            "--rollback": lambda: deploy.roll_back_version(place, to_seq),
            "--gc": lambda: collect(
                place,
                chosen_retention(keep, days, grace, pin or (), unpin or ()),
                dry_run=dry_run,
            ),
            "--doctor": lambda: deploy.examine_store(place),
            "--print-policies": deploy.print_policies,
            "": lambda: deploy.publish_newest(
                place,
                force=force,
                expect_parent=expect_parent,
                dry_run=dry_run,
                accept=accept or (),
                allow_synthetic=allow_synthetic,
            ),
        }
        for line in lines[action]():
            typer.echo(line)


def main() -> None:
    """Console command."""
    start(app)


if __name__ == "__main__":
    main()
