"""Score our job and its peers on the same series, cutoffs and quantiles, in one run.

Usage: make bench-accuracy [DATA=folder] [OPTIONS="--items 300"]
"""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import exit_on_error

app = typer.Typer(add_completion=False)


@app.command()
def main(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with any of the files of the datasets carparts, hospital, auto, tourism "
            "(NAME_monthly.parquet), brent and usd_brl; without it the sample is used."
        ),
    ] = None,
    origins: Annotated[
        int | None, typer.Option(min=1, help="Cutoffs of each dataset, in place of its own.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=2, help="Only so many items, by hash.")] = None,
    peer_items: Annotated[
        int | None,
        typer.Option(min=2, help="Peers forecast only so many of them; all are scored on those."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this dataset (sample too), or this peer. Repeatable."),
    ] = None,
    version: Annotated[
        Path | None,
        typer.Option(help="Score this results folder at the last cutoff instead of running."),
    ] = None,
    price_origins: Annotated[int, typer.Option(min=2, help="Cutoffs of each price.")] = 200,
    skip_peers: Annotated[bool, typer.Option("--skip-peers", help="Ours alone.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    work: Annotated[Path, typer.Option(help="What is made on the way.")] = Path("build/accuracy"),
    reports: Annotated[Path, typer.Option(help="Where the tables go.")] = Path(
        "reports/benchmarks"
    ),
) -> None:
    """Write reports/benchmarks/accuracy.csv, .json and .md, and prices.csv of price files.

    They are written after every dataset, so that one which fails later costs no other.
    """
    with exit_on_error():
        from benchmarks.accuracy.bench import Compared, Wanted, compare
        from benchmarks.accuracy.prices import compare_prices
        from benchmarks.accuracy.report import write_report
        from ml.errors import ModelError

        wanted = Wanted(
            data=data, origins=origins, items=items, peer_items=peer_items,
            only=tuple(only or ()), version=version, skip_peers=skip_peers, jobs=jobs,
            work=work.resolve(),
        )  # fmt: skip
        wanted.datasets()  # a name that is unknown stops it before anything is done
        prices = compare_prices(data, wanted.only, price_origins)
        finished: list[Compared] = []
        failures: list[str] = []
        written = write_report(finished, prices, wanted, failures, reports)
        for found in compare(wanted):
            if isinstance(found, Compared):
                finished.append(found)
            else:
                typer.echo(found, err=True)
                failures.append(str(found))
            written = write_report(finished, prices, wanted, failures, reports)
        for path in written:
            typer.echo(path)
        if failures:
            raise ModelError(f"{len(failures)} of the datasets failed: {failures[0]}")


if __name__ == "__main__":
    app()
