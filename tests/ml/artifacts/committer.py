"""Commits small versions one after another until it is killed; a line an operation on the disk."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ml import durable
from ml.artifacts import version
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.contracts.forecasts import REFUSALS
from ml.locks import hold

STARTED = datetime(2026, 11, 20, tzinfo=UTC)


class TellingOs:
    """``os`` that says each of its operations before doing it, without any buffer."""

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir"):
            return real

        def call(*args):
            os.write(1, f"{name}\n".encode())
            return real(*args)

        return call


def commit_one(results):
    name = version.new_version_id(results, STARTED, "1a2b3c4d")
    staged = version.stage_version(results, name)
    about = footer(REFUSALS, version_id=name, as_of="2026-11-19", generator="test")
    files = []
    for dataset in ("forecasts", "metrics"):  # the folder is what matters here
        with DatasetWriter(staged.data_path(dataset), REFUSALS, about) as writer:
            row = {"item_id": [name], "kind": ["demand"], "reason": ["x"], "n_obs": [1]}
            writer.append(pa.table(row))
            files.append(writer.close())
    version.write_model_versions(staged, {"model_version": name})
    version.write_manifest(staged, files, as_of="2026-11-19", partial=False, run={})
    version.commit_version(results, name, publisher="host/test")
    os.write(1, f"committed {name}\n".encode())


if __name__ == "__main__":
    durable.os = TellingOs()
    folder = Path(sys.argv[1])
    with hold(folder):
        version.discard_stale_staging(folder)
        version.repair_flat_view(folder)
        while True:
            commit_one(folder)
