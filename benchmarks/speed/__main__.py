"""Measure time and memory of the job by stage, and of what users would write instead.

Usage: make bench [OPTIONS="--items 1000 --days 730 --rounds 3"]
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ml.cli import exit_on_error

app = typer.Typer(add_completion=False)


@app.command()
def main(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    items: Annotated[int, typer.Option(min=10, help="Synthetic items.")] = 200,
    days: Annotated[int, typer.Option(min=150, help="Days of history.")] = 730,
    horizon: Annotated[int, typer.Option(min=1, help="Days ahead.")] = 30,
    rounds: Annotated[
        int, typer.Option(min=1, help="Ours and the peers in turn, so many times.")
    ] = 3,
    peer_items: Annotated[
        int,
        typer.Option(min=1, help="Items that peers are timed on (statsforecast: 4 times as many)."),
    ] = 6,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Beside the cold run only this case, or this peer. Repeatable."),
    ] = None,
    skip_peers: Annotated[bool, typer.Option("--skip-peers", help="Ours alone.")] = False,
    ray: Annotated[
        bool, typer.Option("--ray", help="Race one worker of Ray and two instead (make setup-ray).")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="one a core")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    work: Annotated[Path, typer.Option(help="What is made on the way.")] = Path("build/speed"),
    reports: Annotated[Path, typer.Option(help="Where the tables go.")] = Path(
        "reports/benchmarks"
    ),
) -> None:
    """Write reports/benchmarks/speed.json and speed.md, after every round, and print the tables.

    With --ray it is workers.json and workers.md.

    Cases are "cold", "next night", "revised" and "stock only"; peers are "Prophet", "pmdarima",
    "Keras LSTM", "Prophet in a pool" and "statsforecast AutoARIMA".
    """
    with exit_on_error():
        from benchmarks.speed.bench import Bench, measure
        from benchmarks.speed.report import write_report
        from benchmarks.speed.workers import race_workers, write_race

        # Whoever ends this one ends what it watches too, as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        bench = Bench(
            items=items, days=days, horizon=horizon, rounds=rounds, peer_items=peer_items,
            only=tuple(only or ()), skip_peers=skip_peers, jobs=jobs or os.cpu_count() or 1,
            seed=seed, work=work.resolve(),
        )  # fmt: skip
        write: Callable[..., list[Path]] = write_race if ray else write_report
        done: list[object] = []
        written: list[Path] = []
        for one in race_workers(bench) if ray else measure(bench):
            done.append(one)
            written = write(done, bench, reports)
        typer.echo(written[-1].read_text(encoding="utf-8"))
        for path in written:
            typer.echo(path)


if __name__ == "__main__":
    app()
