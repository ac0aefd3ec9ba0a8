"""Starting a server: what it serves, where it listens, and what it refuses to do."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ml.artifacts.folder_store import FolderStore
from ml.artifacts.store import Store
from ml.errors import ConfigError, PipelineError, machine_error
from ml.settings import Settings, settings
from pipelines.publish.reader import open_store
from serving.access import AccessRules, is_loopback, make_key, read_keys, read_proxies
from serving.application import build_application
from serving.front import RequestLimits
from serving.library import LONGEST_PAUSE, Library, LibraryRules
from serving.mirror import open_mirror

LONGEST_PATIENCE = 5.0  # seconds that a look at a store waits for it without progress
CONNECTIONS = 4096


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What the command line says; what it leaves out is taken from the settings."""

    host: str | None = None  # address to listen on
    port: int | None = None  # likewise
    results: Path | None = None  # results folder to serve
    store: bool = False  # whether the S3 store of the settings is served instead


def serve(request: ServeRequest) -> None:
    """Serve until stopped.

    Raises:
        ConfigError: It would listen to others without knowing them, or the settings are wrong.
    """
    read = settings()
    host, port = request.host or read.serve_host, request.port or read.serve_port
    access = access_rules(read, host)
    store = chosen_store(request, read)
    mirror = open_mirror(read.serve_cache_dir, store.name, port)
    rules = LibraryRules(read.serve_poll_seconds, read.serve_max_age_hours)
    limits = RequestLimits(
        at_once=read.serve_requests_at_once,
        seconds=read.serve_request_seconds,
        told=read.serve_access_log or not access.open,
    )
    app = build_application(Library(store, mirror, rules), access, limits)
    where = f"[{host}]" if ":" in host else host
    print(f"serving {store.name} on http://{where}:{port}", flush=True)  # noqa: T201 - the answer
    uvicorn.run(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, ws="none", lifespan="on", backlog=CONNECTIONS,
        timeout_keep_alive=30, timeout_graceful_shutdown=5,
    )  # fmt: skip


def access_rules(read: Settings, host: str) -> AccessRules:
    """Who is let in on an address.

    Raises:
        ConfigError: Others can reach it and nothing says who they are.
    """
    keys = read_keys(read.serve_keys_file) if read.serve_keys_file else {}
    proxies = read_proxies(read.serve_trusted_proxies)
    if not is_loopback(host) and not keys and not proxies:
        raise ConfigError(
            f"serve: '{host}' can be reached by others. Set SERVE_KEYS_FILE to a file of keys, or "
            f"SERVE_TRUSTED_PROXIES to the addresses of a proxy that says who asks; or listen on "
            f"127.0.0.1."
        )
    return AccessRules(keys, proxies, local=is_loopback(host))


def chosen_store(request: ServeRequest, read: Settings) -> Store:
    """The store that is served; it is only read.

    Raises:
        ConfigError: Two are named, the folder is not there, or the settings are not complete.
    """
    if request.store and request.results:
        raise ConfigError("serve: --store and --results exclude each other; take one of them.")
    if request.store:
        return open_store(patience=patience_of(read.serve_poll_seconds))
    folder = (request.results or read.ml_results_path).absolute()
    if not folder.is_dir():
        raise ConfigError(f"serve: there is no folder '{folder}'. Run generate_ml_results first.")
    return FolderStore(folder)


def patience_of(poll_seconds: float) -> float:
    """Seconds that a look waits for a store: with the pause before it no more than a poll."""
    return min(LONGEST_PATIENCE, (1 - LONGEST_PAUSE) * poll_seconds)


def print_new_key(name: str) -> None:
    """Print a new key and its line for the file of keys.

    Raises:
        ConfigError: It is no name.
    """
    key, line = make_key(name)
    told = f"key, told once: {key}\nline for SERVE_KEYS_FILE: {line}"
    print(told, flush=True)  # noqa: T201 - the answer of the command


def run(words: Sequence[str] | None = None) -> int:
    """``python -m serving``: serve, and say in one line what a user can mend.

    Returns:
        The exit code, which is the error's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve published versions over HTTP, read-only."
    )
    parser.add_argument("--host", help="address to listen on (SERVE_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (SERVE_PORT)")
    parser.add_argument("--results", type=Path, help="results folder (ML_RESULTS_PATH)")
    parser.add_argument("--store", action="store_true", help="the S3 store of the settings")
    parser.add_argument("--make-key", metavar="NAME", help="print a new key for SERVE_KEYS_FILE")
    given = parser.parse_args(words)
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
