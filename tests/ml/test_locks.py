import re
import socket
import subprocess
import sys

import pytest

from ml.errors import PublishError
from ml.locks import hold

HOLDER = """
import sys
from pathlib import Path
from ml.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_told_which_process_of_which_machine_holds_the_folder(tmp_path, holder):
    host = re.escape(socket.gethostname())  # two machines may share a folder
    with (
        pytest.raises(
            PublishError, match=rf"another run \(process {holder.pid} of {host} since 20"
        ),
        hold(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with hold(tmp_path) as path:
        assert path.read_text().startswith("process ")
        assert str(holder.pid) not in path.read_text().split()


def test_a_run_gives_the_folder_back_also_when_it_fails(tmp_path):
    with pytest.raises(RuntimeError, match="model"), hold(tmp_path / "new"):
        raise RuntimeError("model")
    with (
        hold(tmp_path / "new"),
        pytest.raises(PublishError, match="held by another run"),
        hold(tmp_path / "new"),
    ):
        pass
