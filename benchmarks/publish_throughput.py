"""Publishing against a plain PUT loop of the same files, on a MinIO of its own on loopback.

Usage: PYTHONPATH=. .venv/bin/python benchmarks/publish_throughput.py RESULTS [ROUNDS]

RESULTS is a results folder whose newest whole version is sent. Each round uses new buckets, first
the loop, then publishing, so that both see the same machine. Needs MinIO: .ci/install_servers minio
"""

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pipelines.publish.publishing import LocalVersion, newest_local, publish
from pipelines.publish.s3_store import S3Store
from pipelines.publish.s3_target import S3Target, check_target
from tests.pipelines.publish.servers import Server, start_minio


class Stopwatch:
    """Notes when each stage of publishing begins."""

    def __init__(self) -> None:
        self.stages: list[float] = []

    def begin(self, doing: str, size: int) -> None:
        """A stage begins: the first is sending, the second reading back."""
        del doing, size
        self.stages.append(time.perf_counter())

    def done(self, size: int) -> None:
        """Some bytes are through."""

    @property
    def sending(self) -> float:
        """Seconds of the first stage."""
        return self.stages[1] - self.stages[0]


def folder_of(version: LocalVersion) -> Path:
    """Where the files of a version lie."""
    return version.results / "versions" / version.version_id


def plain_loop(server: Server, bucket: str, version: LocalVersion) -> float:
    """Seconds to PUT every file of the version one after the other."""
    client = server.client()
    start = time.perf_counter()
    for path in sorted(folder_of(version).rglob("*")):
        if path.is_file():
            client.fput_object(
                bucket_name=bucket, object_name=path.name, file_path=str(path),
                part_size=5 * 1024**3,
            )  # fmt: skip
    return time.perf_counter() - start


def published(server: Server, bucket: str, version: LocalVersion) -> tuple[float, float]:
    """Seconds until all files were sent, and until everything was done."""
    target = S3Target(
        endpoint=server.endpoint, bucket=bucket, access_key=server.access_key,
        secret_key=server.secret_key, prefix="", region="us-east-1", secure=False,
        ca_file=None, allow_insecure=False,
    )  # fmt: skip
    store = S3Store(check_target(target))
    watch = Stopwatch()
    start = time.perf_counter()
    publish(store, version, publisher="benchmark", progress=watch, streams=4)
    return watch.sending, time.perf_counter() - start


def main(results: Path, rounds: int) -> None:
    """Print rates and their ratios, medians over the rounds."""
    version = newest_local(results)
    size = sum(path.stat().st_size for path in folder_of(version).rglob("*") if path.is_file())
    size_mb = size / 1e6
    loops, sends, wholes = [], [], []
    with tempfile.TemporaryDirectory() as folder, start_minio(Path(folder) / "minio") as server:
        for number in range(rounds):
            for kind in ("loop", "publish"):
                server.make_bucket(f"{kind}-{number}")
            loops.append(plain_loop(server, f"loop-{number}", version))
            sent, whole = published(server, f"publish-{number}", version)
            sends.append(sent)
            wholes.append(whole)
    loop, send, whole = (statistics.median(found) for found in (loops, sends, wholes))
    ratio = statistics.median(a / b for a, b in zip(loops, sends, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size_mb:.1f} MB in {version.version_id}, medians of {rounds} rounds")
    print(f"plain PUT loop   {size_mb / loop:7.1f} MB/s   {loop:.2f} s")
    print(f"publish, sending {size_mb / send:7.1f} MB/s   {send:.2f} s   ratio {ratio:.2f}")
    print(f"publish, whole   {whole:.2f} s (with reading back, log and flat view)")
    print(f"peak memory of this process {memory:.0f} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
