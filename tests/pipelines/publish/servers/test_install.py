"""How the servers are found, built and installed, and what is said where one is missing."""

import os
import shutil
import subprocess

import pytest

from tests.pipelines.publish import servers
from tests.pipelines.publish.servers import required
from tests.pipelines.publish.servers.minio_server import INSTALL


def test_a_missing_server_is_skipped_by_one_line_and_fails_where_ci_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"\.ci/install_servers minio") as skipped:
        required("minio")
    assert "\n" not in str(skipped.value)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="MinIO was left out"):
        required("minio")


def test_a_server_that_is_not_installed_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"\.ci/install_servers minio"):
        servers.start_minio(tmp_path / "minio")


def test_a_program_in_the_cache_folder_is_found(monkeypatch, tmp_path):
    program = tmp_path / "previsor" / "bin" / "minio"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert servers.minio_binary() is None  # it may not be run
    program.chmod(0o755)
    assert servers.minio_binary() == program


def test_the_installer_keeps_what_is_there_and_refuses_other_names(tmp_path):
    program = tmp_path / "previsor" / "bin" / "minio"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([INSTALL, "minio"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = shutil.which("minio", path=os.defpath) or program
    assert done.stdout == f"install_servers: MinIO: {found}\n"
    done = subprocess.run([INSTALL, "s3"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "install_servers: 's3' is neither minio nor rgw\n"


FAKE_GO = """#!/bin/sh
case $1 in
version) echo "go version go1.$MINOR linux/amd64" ;;
install)
  mkdir -p "$GOBIN" "$GOPATH/pkg" "$GOCACHE/00"
  echo "go: downloading something" >&2
  if [ "$MINOR" -gt 99 ]; then echo "no space left" >&2; exit 1; fi
  printf '#!/bin/sh\\n' >"$GOBIN/minio"
  chmod +x "$GOBIN/minio" ;;
esac
"""


def install_with_go(folder, minor):
    (folder / "go").write_text(FAKE_GO)
    (folder / "go").chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "XDG_CACHE_HOME": str(folder), "MINOR": str(minor)}
    return subprocess.run([INSTALL, "minio"], env=env, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("minio", path="/usr/bin:/bin") is not None, reason="has MinIO")
def test_a_build_leaves_the_program_alone_behind(tmp_path):
    done = install_with_go(tmp_path, 24)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "previsor"
    assert done.stdout.splitlines()[-1] == f"install_servers: MinIO: {folder / 'bin' / 'minio'}"
    left = {path.name for path in folder.rglob("*")} - {"build.lock"}
    assert left == {"bin", "minio"}


@pytest.mark.skipif(shutil.which("minio", path="/usr/bin:/bin") is not None, reason="has MinIO")
@pytest.mark.parametrize(
    ("minor", "reason"), [(23, "Go 1.24 or newer; this is go version go1.23"), (100, "no space")]
)
def test_a_build_that_fails_says_why_and_leaves_nothing_behind(tmp_path, minor, reason):
    done = install_with_go(tmp_path, minor)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "downloading" not in done.stderr
    assert not list(tmp_path.rglob("minio"))
    assert not list(tmp_path.rglob("build.?*[!k]"))
