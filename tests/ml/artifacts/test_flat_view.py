import errno
import json

import pytest

from ml.artifacts.version import commit_version, commits, repair_flat_view
from ml.errors import PublishError

EARLY, LATE = "20261120T021503Z-1a2b3c4d", "20261120T091500Z-ffffffff"
NEXT_DAY = "20261121T021503Z-1a2b3c4d"


def flat(results):
    """Every flat file but the pointer, with its bytes."""
    folders = ("forecasts", "recommendations", "metrics", "metadata")
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for folder in folders
        for path in (results / folder).glob("*")
        if path.name != "last_updated.json"
    }


def inside(results, version):
    """Every file of a version but its manifest."""
    base = results / "versions" / version
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in base.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_the_flat_view_is_the_newest_version(tmp_path, kit):
    kit.commit(tmp_path, EARLY)
    assert flat(tmp_path) == inside(tmp_path, EARLY)


def test_a_second_run_on_a_day_replaces_the_first_one(tmp_path, kit):
    kit.commit(tmp_path, EARLY, level=1.0)
    kit.commit(tmp_path, LATE, level=2.0)
    assert flat(tmp_path) == inside(tmp_path, LATE)


def test_a_dataset_that_the_second_run_lacks_does_not_stay_from_the_first(tmp_path, kit):
    kit.commit(tmp_path, EARLY)
    (tmp_path / "recommendations/recommendations_2026-11-20_mine.parquet").write_bytes(b"note")
    kit.commit(tmp_path, LATE, only=["forecasts", "metrics"])
    assert list((tmp_path / "recommendations").iterdir()) == [
        tmp_path / "recommendations/recommendations_2026-11-20_mine.parquet"
    ]


def test_a_table_that_earlier_code_had_in_another_folder_does_not_stay_there(tmp_path, kit):
    kit.commit(tmp_path, EARLY)
    old = tmp_path / "recommendations/changes_2026-11-20.parquet"
    old.write_bytes(b"of a run of earlier code")
    kit.commit(tmp_path, LATE)
    assert not old.exists()


def test_earlier_days_stay(tmp_path, kit):
    kit.commit(tmp_path, EARLY)
    kit.commit(tmp_path, NEXT_DAY)
    expected = inside(tmp_path, EARLY) | inside(tmp_path, NEXT_DAY)
    assert flat(tmp_path) == expected


def test_a_partial_version_refreshes_only_its_own_part(tmp_path, kit):
    kit.commit(tmp_path, EARLY, level=1.0)
    record = kit.commit(tmp_path, LATE, level=2.0, partial=True, only=["forecasts"])
    pointer = json.loads((tmp_path / "metadata/last_updated.json").read_text())
    assert record.partial
    assert pointer["partial"]
    assert flat(tmp_path) == inside(tmp_path, EARLY) | inside(tmp_path, LATE)


def test_a_damaged_flat_view_is_mended_and_a_sound_one_left_alone(tmp_path, kit):
    kit.commit(tmp_path, EARLY, level=1.0)
    kit.commit(tmp_path, LATE, level=2.0, partial=True, only=["forecasts"])
    expected = flat(tmp_path)
    assert repair_flat_view(tmp_path) == []
    (tmp_path / "metrics/metrics_2026-11-20.parquet").write_bytes(b"torn")
    (tmp_path / "forecasts/forecasts_2026-11-20.parquet").unlink()
    (tmp_path / "metadata/last_updated.json").unlink()
    assert repair_flat_view(tmp_path) == [
        "forecasts/forecasts_2026-11-20.parquet",
        "metrics/metrics_2026-11-20.parquet",
    ]
    assert flat(tmp_path) == expected


def test_a_damaged_version_does_not_reach_the_flat_view(tmp_path, kit):
    kit.commit(tmp_path, EARLY)
    name = "metrics/metrics_2026-11-20.parquet"
    kept = (tmp_path / name).read_bytes()
    (tmp_path / "versions" / EARLY / name).write_bytes(b"x" * len(kept))
    (tmp_path / "forecasts/forecasts_2026-11-20.parquet").unlink()
    assert repair_flat_view(tmp_path) == ["forecasts/forecasts_2026-11-20.parquet"]
    assert (tmp_path / name).read_bytes() == kept
    (tmp_path / name).unlink()
    with pytest.raises(PublishError, match=f"verification failed: .*{name}"):
        repair_flat_view(tmp_path)
    assert not (tmp_path / name).exists()


def test_a_disk_that_fills_up_after_the_commit_says_that_it_is_committed(tmp_path, kit, rig):
    rehearsal, real = tmp_path / "rehearsal", tmp_path / "real"
    for results in (rehearsal, real):
        kit.commit(results, EARLY)
        kit.version(results, LATE, level=2.0)
    notes = rig().notes
    commit_version(rehearsal, LATE, publisher="host/test")
    linked = [note[0] for note in notes].index("link")
    rig(linked, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(PublishError, match=r"No space left .* committed and whole"):
        commit_version(real, LATE, publisher="host/test")
    rig.off()
    assert commits(real)[-1].version_id == LATE
    repair_flat_view(real)
    assert flat(real) == inside(real, LATE)
    assert len(commits(real)) == 2


def test_nothing_committed_is_nothing_to_do(tmp_path):
    assert repair_flat_view(tmp_path) == []
