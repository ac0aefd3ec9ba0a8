"""Running a command with small or full disks of its own: real file systems, gone when it ends.

    with_disks({tmp_path / "logs": Disk()}, [sys.executable, "-m", "..."])

gives the command line to run: each folder is then a file system of so many kilobytes with so many
of them left. It takes ``unshare`` of util-linux, and the right to a name space of mounts, which
root has and most systems give to everybody, but few containers. Without it the tests are left out.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

import pytest

_UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
_MOUNT = 'mount -t tmpfs -o "size=$1k,mode=1777" none "$2" && '
_FILL = '{ head -c "$3" /dev/zero > "$2/filled"; shift 3; exec "$@"; }'


@dataclass(frozen=True)
class Disk:
    """A file system in memory."""

    size: int = 64  # kilobytes
    left: int = 0  # of them, free


def with_disks(disks, command):
    """The command line that runs a command with a disk on each folder, which is made."""
    _require()
    line = [str(word) for word in command]
    for folder, disk in disks.items():
        folder.mkdir(parents=True, exist_ok=True)
        filled = (disk.size - disk.left) * 1024
        line = ["sh", "-c", _MOUNT + _FILL, "sh", str(disk.size), str(folder), str(filled), *line]
    return [*_UNSHARE, *line]


@cache
def _works():
    trial = [*_UNSHARE, "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(trial, capture_output=True).returncode
    )


def _require():
    if not _works():
        told = "full disks were left out: unshare (util-linux) has to be allowed to mount"
        pytest.skip(told)
