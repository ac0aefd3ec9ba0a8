"""A version recorded in the future: it is named, and doing as told repairs it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import folder_store
from ml.artifacts.log import future_facts, record_bytes
from ml.artifacts.store import Body
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.doctor import examine
from pipelines.publish.future_record import future_record
from tests.pipelines.publish.drills import put
from tests.pipelines.publish.versions import make_version, version_id

FAR = "2099-01-01"  # as of
FUTURE = version_id(7, days=365 * 73)
TODAY, NOW = date(2026, 12, 1), datetime(2026, 12, 1, 12, tzinfo=UTC)


def past(number):
    """Ids of versions that were begun before any clock that runs this."""
    return version_id(number, days=number - 60)


@pytest.fixture
def out(tmp_path):
    return folder_store(tmp_path / "out")


@pytest.fixture
def deploy(command, monkeypatch):
    monkeypatch.setenv("TODAY", str(TODAY))
    return command


def published(tmp_path, out, *numbers, future=True):
    """Versions of days that were, then one of a machine whose clock is wrong."""
    for number in numbers:
        put(out, make_version(tmp_path / f"r{number}", past(number)))
    if future:
        put(out, make_version(tmp_path / "wrong", FUTURE, as_of=FAR))
    make_version(tmp_path / "results", past(5))  # to be published next


def test_a_version_refused_for_a_future_one_names_it_and_doing_as_told_repairs_it(
    tmp_path, out, deploy
):
    published(tmp_path, out, 1, 2)
    code, _, told = deploy()
    assert code == 5
    line = told.splitlines()[-1]
    assert line.startswith(f"error: stale: {out.name}: record 3 (version {FUTURE}, by host/test) ")
    assert f"lies in the future, as of {FAR} and begun on 2099-11-02, though today is" in line
    assert line.endswith("make record 2 the newest again with --rollback --to-seq 2, then publish. "
                         "Nothing was published.")  # fmt: skip
    code, _, told = deploy("--dry-run")
    assert (code, "lies in the future" in told) == (5, True)
    code, lines, _ = deploy("--doctor")
    assert (code, f"problem  record 3 (version {FUTURE}" in "\n".join(lines)) == (5, True)
    assert deploy("--rollback", "--to-seq", "2")[0] == 0
    assert deploy()[0] == 0
    assert log.newest(out).version_id == past(5)
    code, lines, _ = deploy("--doctor")
    assert (code, "future" in "\n".join(lines)) == (0, False)


def test_where_nothing_else_was_published_only_force_helps_and_is_named(tmp_path, out, deploy):
    published(tmp_path, out)
    assert "Correct that, publish with --force" in deploy()[2]
    assert deploy("--force")[0] == 0


def test_a_version_that_is_marked_is_not_proposed(tmp_path, out):
    published(tmp_path, out, 1, 2)
    later = datetime.now(UTC) + timedelta(days=99)
    pinned = (past(1),)
    collect_garbage(out, Retention(versions=1, age=timedelta(0), pins=pinned), now=later)
    assert "--to-seq 1," in future_record(out, TODAY, NOW).text


def test_a_version_of_the_future_is_not_published_from_here(tmp_path, out, deploy):
    make_version(tmp_path / "results", past(1), as_of=FAR)
    code, _, told = deploy()
    assert (code, "conflict: version" in told, f"is as of {FAR}, though today is" in told) == (
        5, True, True
    )  # fmt: skip
    assert log.newest(out) is None
    make_version(tmp_path / "results", past(2))  # as told
    assert deploy()[0] == 0
    assert log.newest(out).version_id == past(2)


def test_a_wrong_time_of_publishing_alone_is_a_warning(tmp_path, out):
    published(tmp_path, out, 1, future=False)
    document = json.loads(record_bytes(log.newest(out))) | {"published_at": "2098-01-01T00:00:00Z"}
    for key in ("_commits/00000000000000000001.json", "metadata/last_updated.json"):
        out.put(key, Body.of(json.dumps(document).encode()))
    found = [one for one in examine(out, today=TODAY) if "future" in one.text]
    assert [one.level for one in found] == ["warning"]
    assert "published on 2098-01-01" in found[0].text
    assert "Nothing is refused for it" in found[0].text
    put(out, make_version(tmp_path / "next", past(3)))
    assert log.newest(out).seq == 2


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({}, []),
        ({"as_of": "2026-12-02"}, []),  # a day is granted
        ({"as_of": "2026-12-03"}, ["as of 2026-12-03"]),
        ({"published_at": "2026-12-02T23:59:59Z"}, []),
        ({"published_at": "2026-12-03T00:00:00Z"}, ["published on 2026-12-03"]),
        ({"version_id": "20270101T000000Z-00000001"}, ["begun on 2027-01-01"]),
    ],
)
def test_a_day_is_granted_to_clocks_and_time_zones(tmp_path, out, changes, facts):
    record = put(out, make_version(tmp_path / "results", version_id(1))).record
    record = replace(record, **{"published_at": "2026-11-30T12:00:00Z", **changes})
    assert future_facts(record, TODAY, NOW) == facts
