"""Publish, rollback, gc and repair where every request or writing step goes wrong.

In CI 8 points of each command on MinIO, 3 on Ceph RGW and 40 on a folder, drawn with a fixed seed,
in a minute and a half; all of them by `make drills`.
"""

import os
import random

import pytest

from ml.artifacts import log
from ml.artifacts.errors import UnreachableError
from pipelines.publish import rollback
from pipelines.publish.rollback import PendingRollback
from tests.pipelines.publish.bad_line import HARMS
from tests.pipelines.publish.conftest import place_of
from tests.pipelines.publish.drills import is_record
from tests.pipelines.publish.line_drills import COMMANDS, LineDrill, PublishOnLine, RollbackOnLine

SAMPLE = {"folder": 40, "minio": 8, "rgw": 3}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLE)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_a_command_drill_on_a_bad_line_ends_as_it_says(command, kind, request, tmp_path, made):
    drill = LineDrill(place_of(kind, request, tmp_path), command(made), tmp_path)
    points = drill.points
    if not os.environ.get("DRILLS"):
        points = random.Random(20261121).sample(points, min(SAMPLE[kind], len(points)))
    words = [drill.survive(step, harm) for step, harm in points]
    failed = sum(word is not None for word in words)
    about = f"{len(points)} of {len(drill.points)} points, {failed} ended in an error"
    print(f"{command.__name__} on {kind}: {about}")  # noqa: T201 - for make drills


def bad_point(command, harm, request, tmp_path, made):
    """Harm the request that creates the record."""
    drill = LineDrill(place_of("fake", request, tmp_path), command(made), tmp_path)
    drill.survive(next(n for n, name in enumerate(drill.steps) if is_record(name)), harm)


def test_a_rollback_that_keeps_no_note_is_seen(request, tmp_path, made, monkeypatch):
    monkeypatch.setattr(PendingRollback, "read", lambda *_: None)
    with pytest.raises(AssertionError, match="lose for good at step"):
        bad_point(RollbackOnLine, "lose for good", request, tmp_path, made)


@pytest.mark.parametrize("command", [PublishOnLine, RollbackOnLine])
def test_a_record_that_is_there_although_nothing_was_changed_is_seen(
    command, request, tmp_path, made, monkeypatch
):
    monkeypatch.setattr(log, "OutcomeUnknownError", UnreachableError)
    monkeypatch.setattr(rollback, "OutcomeUnknownError", ZeroDivisionError)
    with pytest.raises(AssertionError, match=r"UnreachableError.*but changed: \['_commits/"):
        bad_point(command, "lose for good", request, tmp_path, made)


@pytest.mark.parametrize("harm", HARMS)
def test_a_record_on_a_bad_line_is_made_once(harm, request, tmp_path, made):
    bad_point(PublishOnLine, harm, request, tmp_path, made)
