"""What is installed is what was locked, and the audit never takes silence for good news."""

import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(ROOT.glob("requirements_*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)")


def requirements(path):
    """Name to version and hashes, as pip joins the lines of a file."""
    found = {}
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        pin = PIN.match(line)
        if pin:
            found[pin[1]] = (pin[2], frozenset(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)))
        else:
            assert not line or line.startswith("#"), f"{path.name}: not an exact pin: {line}"
    return found


def test_there_is_a_locked_file_for_the_job_and_for_every_group():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {f"requirements_{group}.txt" for group in project["dependency-groups"]}
    assert {path.name for path in FILES} == groups | {"requirements_ml.txt"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_requirement_is_exact_and_has_a_hash(path):
    pins = requirements(path)
    assert pins
    assert [name for name, (_, hashes) in pins.items() if not hashes] == []


@pytest.mark.parametrize("group", ["dev", "ray", "reader", "serving", "spark"])
def test_a_package_of_the_job_is_the_same_file_wherever_it_is_named(group):
    job = requirements(ROOT / "requirements_ml.txt")
    shared = {
        name: pin
        for name, pin in requirements(ROOT / f"requirements_{group}.txt").items()
        if name in job
    }
    assert shared == {name: job[name] for name in shared}
    assert shared or group == "spark"


def test_what_serves_is_the_reader_and_little_more_and_nothing_that_computes():
    names = set(requirements(ROOT / "requirements_serving.txt"))
    assert names >= set(requirements(ROOT / "requirements_reader.txt"))
    assert len(names) <= 30
    assert not names & {
        "numpy",
        "pandas",
        "polars",
        "duckdb",
        "scipy",
        "scikit-learn",
        "tensorflow",
    }


def test_the_extra_for_clusters_asks_for_the_ray_that_is_locked_and_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert extras["ray"] == project["dependency-groups"]["ray"]


def test_the_project_is_built_by_the_setuptools_that_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version, _ = requirements(ROOT / "requirements_ml.txt")["setuptools"]
    assert project["build-system"]["requires"] == [f"setuptools=={version}"]


def test_pip_refuses_a_package_whose_file_is_not_the_locked_one(tmp_path):
    wrong = tmp_path / "requirements.txt"
    wheel = tmp_path / "previsor_probe-1-py3-none-any.whl"
    wheel.write_bytes(b"not the file that was locked")
    wrong.write_text(f"previsor-probe==1 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    install = ["install", "--dry-run", "--no-index", "--no-deps", "--require-hashes", "-r"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *install, str(wrong), "--find-links", str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


KNOWN = {"name": "numpy", "version": "2.4.6", "vulns": []}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["3.20"], "aliases": [], "description": ""}
SILENT = {"name": "absl-py", "skip_reason": "Dependency not found on PyPI"}


def audited(tmp_path, stdout, code=0):
    """Exit code and lines of the audit, where pip-audit says this."""
    program = tmp_path / "pip-audit"
    (tmp_path / "said").write_text(stdout, encoding="utf-8")
    script = f'#!/bin/sh\ncat "{tmp_path}/said"\necho last words >&2\nexit {code}\n'
    program.write_text(script, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), str(program), "requirements_x.txt"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def answer(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_an_audit_without_holes_ends_well(tmp_path):
    assert audited(tmp_path, answer(KNOWN)) == (
        0,
        ["requirements_x.txt: 1 packages asked, 0 holes known"],
    )


def test_an_audit_that_names_a_hole_fails_with_the_version_that_mends_it(tmp_path):
    holed = {"name": "idna", "version": "3.1", "vulns": [HOLE]}
    code, lines = audited(tmp_path, answer(KNOWN, holed), code=1)
    assert code == 1
    assert "requirements_x.txt: idna 3.1: PYSEC-2026-1, mended in 3.20" in lines


def test_an_audit_fails_and_names_the_packages_that_could_not_be_asked_about(tmp_path):
    # pip-audit itself ends with 0 here.
    code, lines = audited(tmp_path, answer(KNOWN, SILENT))
    assert code == 1
    assert "nothing is known of 1 of 2 packages" in lines[-1]
    assert "absl-py" in lines[-1]


@pytest.mark.parametrize("stdout", ["", "no network", answer()])
def test_an_audit_without_any_answer_fails(tmp_path, stdout):
    code, lines = audited(tmp_path, stdout)
    assert code == 1
    assert lines[0].startswith("requirements_x.txt: not audited:")
