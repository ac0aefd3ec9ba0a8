"""What the page on nights tells people to install is understood by what reads it."""

import re
import shutil
import subprocess

import pytest
import yaml

from ml.errors import ConfigError, DataError, ModelError, PublishError
from ml.setting_groups import PROJECT

PAGE = (PROJECT / "docs" / "nights.md").read_text(encoding="utf-8")
EXPOSURE = 2.0  # of ten, by systemd-analyze; an ordinary service has 9.6
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def units(tmp_path):
    """The two files of systemd, with a program that is there."""
    service, timer = blocks("ini")
    paths = tmp_path / "previsor-night.service", tmp_path / "previsor-night.timer"
    paths[0].write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", service))
    paths[1].write_text(timer)
    return paths


def analyze(*words):
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True)


@needs_systemd
def test_systemd_understands_service_and_timer_without_a_remark(units):
    done = analyze("verify", "--man=no", *units)
    told = [line for line in done.stderr.splitlines() if "previsor-night" in line]
    assert (done.returncode, told) == (0, [])


@needs_systemd
def test_the_service_is_exposed_to_little(units):
    done = analyze("security", "--offline=yes", "--no-pager", units[0])
    found = re.search(r"Overall exposure level for previsor-night.service: ([\d.]+)", done.stdout)
    assert float(found[1]) <= EXPOSURE, done.stdout


def test_kubernetes_runs_one_night_at_a_time_and_does_not_repeat_what_wants_a_person():
    (text,) = blocks("yaml")
    job = yaml.safe_load(text)
    spec = job["spec"]
    assert (job["kind"], spec["concurrencyPolicy"]) == ("CronJob", "Forbid")
    assert spec["startingDeadlineSeconds"] > 0
    work = spec["jobTemplate"]["spec"]
    assert work["activeDeadlineSeconds"] > 0
    (rule,) = work["podFailurePolicy"]["rules"]
    codes = {one.exit_code for one in (ConfigError, DataError, ModelError, PublishError)}
    assert rule["action"] == "FailJob"
    assert set(rule["onExitCodes"]["values"]) == codes == {2, 3, 4, 5}
    pod = work["template"]["spec"]
    assert rule["onExitCodes"]["containerName"] in [one["name"] for one in pod["containers"]]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    volumes = {one["name"] for one in pod["volumes"]}
    assert {one["name"] for one in pod["containers"][0]["volumeMounts"]} == volumes
