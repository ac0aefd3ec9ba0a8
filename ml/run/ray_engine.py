"""Tasks on Ray: its workers on this machine, or those of a cluster that is there already.

Ray is an extra of the package, and imported here only. Its workers read and write the same folders
as the command does, so on a cluster those are shared; a worker looks for itself before its first
task, that it sees them and runs the same code.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from joblib import cpu_count

from ml.durable import remove, write_file
from ml.errors import ConfigError
from ml.run.model_store import say
from ml.run.parallel import Engine, Work, engine, killed_worker
from ml.run.request import RunRequest
from ml.seeds import code_version
from ml.setting_groups import WorkerSettings

RETRIES = 3  # of a task whose worker was lost
MARKER = ".ray-"
STORE_BYTES = 256 << 20  # for tasks on their way; what finds no room waits on the disk
READ_BY_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(RETRIES)}
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on any system: listen on loopback alone
    "RAY_AUTH_MODE": "token",  # for other users of this machine may connect
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@dataclass(frozen=True, slots=True)
class SharedGround:
    """What a worker has to have in common with the command."""

    code: str  # version of the code
    folders: tuple[Path, ...]  # where results are written
    marker: str  # name of a file in each of them, never used before


@contextmanager
def engine_of(request: RunRequest, *folders: Path) -> Iterator[None]:
    """Let the tasks of a run go where its settings say; results are written to ``folders``.

    Raises:
        ConfigError: Ray is not installed or does not answer, or one of its nodes has other code or
            does not see the folders.
    """
    if request.settings.engine == "loky":
        yield
        return
    ask_head(request.settings)
    with _connect_ray(request.settings.ray_address, request.jobs), share_ground(folders) as ground:
        check_nodes(ground)
        token = engine.set(_ray_engine(ground))
        try:
            yield
        finally:
            engine.reset(token)


@contextmanager
def _connect_ray(address: str, jobs: int | None) -> Iterator[None]:
    """Ray of a cluster; without an address one of this command, which ends with it."""
    os.environ.update(READ_BY_RAY if address else READ_BY_RAY | LOOPBACK)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        own = {
            "address": "local", "num_cpus": jobs or cpu_count(), "_temp_dir": folder,
            "object_store_memory": STORE_BYTES, "include_dashboard": False,
        }  # fmt: skip
        ray = _import_ray()
        ray._private.worker.print_to_stdstream = _tell_trouble  # noqa: SLF001 - else on stdout
        where = {"address": address} if address else own
        try:
            ray.init(**where, logging_level="ERROR", log_to_driver=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise _no_answer(address, error) from error
        try:
            yield
        finally:
            ray.shutdown()


def ask_head(config: WorkerSettings) -> None:
    """Look whether the head of a cluster answers, where one is named; Ray itself asks for minutes.

    Raises:
        ConfigError: It does not.
    """
    host, _, port = config.ray_address.rpartition(":")
    if config.engine != "ray" or not host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise _no_answer(config.ray_address, error) from None


def _no_answer(address: str, error: BaseException) -> ConfigError:
    return ConfigError(
        f"ray: {address or 'on this machine'}: {_first_line(error)}. Look whether it runs "
        "there (ray status), and name its head as HOST:PORT."
    )


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--engine ray needs Ray: pip install -r requirements_ray.txt (make setup-ray), on "
            "every node of a cluster."
        ) from None
    return ray


def _tell_trouble(message: Mapping[str, Any], **_: Any) -> None:
    """Pass on what Ray says of lost workers: the first sentence of it, the rest is advice."""
    for line in message["lines"]:
        if not line.startswith("Task "):  # which was that of the worker
            say(line.partition(". ")[0], about="ray")


@contextmanager
def share_ground(folders: Sequence[Path]) -> Iterator[SharedGround]:
    """A file in each folder for the workers to find; the command holds the folders."""
    marker = MARKER + secrets.token_hex(8)
    ground = SharedGround(code_version(), tuple(map(Path.absolute, folders)), marker)
    try:
        for folder in ground.folders:
            _remove_markers(folder)  # of a command that was killed
            write_file(folder / marker, "")
        yield ground
    finally:
        for folder in ground.folders:
            _remove_markers(folder)


def _remove_markers(folder: Path) -> None:
    for path in folder.glob(f"{MARKER}*"):
        remove(path)


@cache
def _check_ground(ground: SharedGround) -> None:
    """Refuse to work in this process where it has something else than the command.

    Raises:
        ConfigError: It names the machine.
    """
    here = f"ray: node {os.uname().nodename}"
    if code_version() != ground.code:
        raise ConfigError(
            f"{here} runs code {code_version()}, this command {ground.code}: install the same on "
            "every node."
        )
    for folder in ground.folders:
        if not (folder / ground.marker).exists():
            raise ConfigError(
                f"{here} does not see '{folder}' of this command: mount the same folder at the "
                "same path on every node."
            )
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"{here} may not write to '{folder}': give its user the rights.")


def check_nodes(ground: SharedGround) -> None:
    """Let a worker of every node look before anything is done."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU")]
    if not nodes:
        raise ConfigError("ray: no node of the cluster has a processor to work with.")
    look = ray.remote(num_cpus=0)(_work_on_ground)
    places = (NodeAffinitySchedulingStrategy(one["NodeID"], soft=False) for one in nodes)
    asked = [look.options(scheduling_strategy=place).remote(ground, repr, None) for place in places]
    for one, answer in zip(nodes, asked, strict=True):
        try:
            _take(answer)
        except (ray.exceptions.RayError, ImportError) as error:
            raise ConfigError(
                f"ray: node {one['NodeManagerHostname']} does not run this code "
                f"({_first_line(error)}): install it there as it is here."
            ) from error


def _ray_engine(ground: SharedGround) -> Engine:
    """The workers of all nodes that are there now."""
    import ray

    processes = int(ray.cluster_resources()["CPU"])

    def run(work: Work, tasks: Iterable[Any], count: int, label: str) -> Iterator[Any]:
        # Twice as many as can run, so that no worker waits; on a part of them no more than may.
        ahead = count if count < processes else 2 * processes
        start = ray.remote(num_cpus=1, max_retries=RETRIES)(_work_on_ground)
        waiting = (start.remote(ground, work, task) for task in tasks)
        flying = list(islice(waiting, ahead))
        lost = (
            *(ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError),
            *(ray.exceptions.NodeDiedError, ray.exceptions.LocalRayletDiedError),
        )
        while flying:
            (done,), flying = ray.wait(flying)
            flying += islice(waiting, 1)
            try:
                yield _take(done)
            except lost:
                raise killed_worker(label) from None

    return Engine("ray", processes, run)


def _work_on_ground(ground: SharedGround, work: Work, task: Any) -> Any:
    _check_ground(ground)
    return work(task)


def _take(answer: Any) -> Any:
    """What a task returned; what it raised is raised as it was."""
    import ray

    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
