"""Publish, rollback, gc and repair where every request or writing step goes wrong.

In CI 8 points of each command on MinIO, 3 on Ceph RGW and 40 on a folder, drawn with a fixed seed,
in a minute and a half; all of them by `make drills`.
"""

import os
import random

import pytest

from tests.pipelines.publish.conftest import place_of
from tests.pipelines.publish.line_drills import COMMANDS, LineDrill

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
