"""Serves published versions over HTTP, as ``python -m serving`` does. Usage: previsor serve."""

from typing import Annotated

import typer

from ml.cli import HELP, Results, exit_on_error

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="SERVE_HOST")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on.", min=1, max=65535, show_default="SERVE_PORT"),
    ] = None,
    results: Results = None,
    store: Annotated[
        bool, typer.Option("--store", help="Serve the S3 store of the settings instead.")
    ] = False,
    make_key: Annotated[
        str | None,
        typer.Option(help="Print a new key of this name for SERVE_KEYS_FILE.", metavar="NAME"),
    ] = None,
) -> None:
    """Serve published versions over HTTP, read-only: tables, items, and a page for planners."""
    with exit_on_error():
        from serving.command import ServeRequest, print_new_key
        from serving.command import serve as serve_versions

        if make_key is not None:
            print_new_key(make_key)
        else:
            serve_versions(ServeRequest(host, port, results, store))
