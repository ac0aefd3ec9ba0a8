"""Measure what one core answers: ours, Datasette and ROAPI in turn, on the same synthetic rows.

Usage: make bench-serving [OPTIONS="--rounds 3 --seconds 5"]
"""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import exit_on_error

app = typer.Typer(add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="All servers in turn, so many times.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, max=60, help="Of load a case.")] = 5,
    sizes: Annotated[str, typer.Option(help="Items x steps, with commas.")] = "2674x12,100000x30",
    only: Annotated[
        list[str] | None, typer.Option(help="Only this server: ours, Datasette, ROAPI. Repeatable.")
    ] = None,
    work: Annotated[Path, typer.Option(help="What is made on the way.")] = Path("build/serving"),
    reports: Annotated[Path, typer.Option(help="Where the table goes.")] = Path(
        "reports/benchmarks"
    ),
) -> None:
    """Write reports/benchmarks/serving.json and serving.md and print the tables."""
    with exit_on_error():
        from benchmarks.serving.bench import measure, require_programs
        from benchmarks.serving.report import write_report

        require_programs()
        parsed = [tuple(int(part) for part in one.split("x")) for one in sizes.split(",")]
        found = measure(parsed, rounds, seconds, work.resolve(), tuple(only or ()))
        written = write_report(found, rounds, seconds, reports)
        typer.echo(written[-1].read_text(encoding="utf-8"))


if __name__ == "__main__":
    app()
