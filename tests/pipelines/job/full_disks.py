"""Runs the main job where one folder's disk is full after so many kilobytes, for the test of it.

Usage: full_disks.py PLACE FOLDER KILOBYTES..., with a file system of its own mounted on the folder.
For each size the folder begins as it is now; the job is run, room is made, and it is run again.
One JSON line a size says how both ended, what they printed, and the log of versions after each.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ml.artifacts.version import commits, verify_version
from tests.pipelines.job.generate_job import generate


def run(place):
    """Exit code and what was printed, of a run in a process of its own."""
    with tempfile.TemporaryFile() as said:
        if not (child := os.fork()):
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            code = 1
            try:
                generate(place, "--jobs=1")
            except SystemExit as end:
                code = end.code
            finally:
                sys.stdout.flush()
                os._exit(code or 0)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def versions(place, known=()):
    """What is wrong with each version of the log, by its id, but for those known."""
    results = place / "data" / "ml_results"
    records = commits(results) if (results / "_commits").exists() else []
    ids = [one.version_id for one in records if one.version_id not in known]
    return {one: verify_version(results, one) for one in ids}


def main(place, folder, sizes):
    with tempfile.TemporaryDirectory() as kept:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        for size in sizes:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            known = set(versions(place))  # of earlier sizes, where the results lie elsewhere
            fill(folder, size)
            first = (*run(place), versions(place, known))
            (folder / "filled").unlink()
            second = (*run(place), versions(place, known))
            sys.stdout.write(f"{json.dumps([size, first, second])}\n")
            sys.stdout.flush()


def fill(folder, left):
    """Leave so many kilobytes of the file system."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize - left * 1024
    with (folder / "filled").open("wb") as file:
        file.write(bytes(max(0, free)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(size) for size in sys.argv[3:]])
