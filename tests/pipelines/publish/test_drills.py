"""The drills over every store.

A crash before or after each request is tried at 6 points of each command in the quick tests. In the
slow ones it is tried at 16 on a folder, 8 on the S3 server of the tests and on MinIO, and 3 on Ceph
RGW, drawn with a fixed seed; by `make drills` at all, and storms rage over every store as well.
"""

import os
from datetime import UTC, datetime

import pytest

from tests.pipelines.publish import drills
from tests.pipelines.publish.versions import make_version, version_id

DRILLS = [drills.PublishDrill, drills.RollbackDrill, drills.GarbageDrill]
every_drill = pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.__name__)


SAMPLE = {"folder": 16, "fake": 8, "minio": 8, "rgw": 3, "other": 8}


@every_drill
def test_a_crash_at_some_requests_leaves_readers_a_whole_version(near_place, made, drill):
    tried, points = drills.crash_drill(near_place, drill(made), sample=6, seed=1)
    assert points > 40
    assert tried == points if os.environ.get("DRILLS") else 6


@pytest.mark.slow
@every_drill
def test_a_crash_before_or_after_any_request_leaves_readers_a_whole_version(place, made, drill):
    tried, points = drills.crash_drill(place, drill(made), sample=SAMPLE[place.name])
    print(f"{drill.__name__} on {place.name}: {tried} of {points} points")  # noqa: T201 - for make drills
    assert points > 40


def test_answers_that_are_lost_make_no_second_commit(place, made):
    drills.lost_answers_drill(place, made)


def test_a_publisher_that_is_overtaken_goes_second(place, made):
    drills.overtaken_drill(place, made)


def test_eight_publishers_and_four_readers_at_once_lose_nothing(place, made):
    drills.crowd_drill(place, made)


def test_a_version_marked_while_it_is_rolled_back_to_stays(place, made):
    drills.gc_race_drill(place, made)


def test_a_marked_version_that_became_the_newest_is_not_removed(place, made):
    drills.sweep_race_drill(place, made)


@pytest.mark.slow
def test_a_storm_of_publishers_rollbacks_and_removals_serves_every_reader(place, tmp_path):
    def make(number):
        return make_version(tmp_path / f"r{number}", version_id(number, started=datetime.now(UTC)))

    if place.name not in {"folder", "minio"} and not os.environ.get("DRILLS"):
        pytest.skip("without DRILLS it rages on a folder and on MinIO")
    counts = drills.storm_drill(place, make)
    assert all(counts.values()), counts
