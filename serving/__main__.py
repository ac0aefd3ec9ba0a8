"""The command: ``python -m serving``. It needs ``requirements_serving.txt`` and no more."""

import argparse
import sys
from pathlib import Path

from ml.errors import PipelineError, machine_error


def main(words: list[str] | None = None) -> int:
    """Serve, and say in one line what a user can mend; the exit code is the error's."""
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve published versions over HTTP, read-only."
    )
    parser.add_argument("--host", help="address to listen on (SERVE_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (SERVE_PORT)")
    parser.add_argument("--results", type=Path, help="results folder (ML_RESULTS_PATH)")
    parser.add_argument("--store", action="store_true", help="the S3 store of the settings")
    parser.add_argument("--make-key", metavar="NAME", help="print a new key for SERVE_KEYS_FILE")
    given = parser.parse_args(words)
    from serving.command import ServeRequest, print_new_key, serve

    try:
        if given.make_key:
            print_new_key(given.make_key)
        else:
            serve(ServeRequest(given.host, given.port, given.results, given.store))
    except (PipelineError, OSError) as error:
        told = error if isinstance(error, PipelineError) else machine_error(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)  # noqa: T201 - the boundary of the command
        return told.exit_code
    return 0


sys.exit(main())
