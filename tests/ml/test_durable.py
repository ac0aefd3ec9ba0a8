"""Durable writing under power cuts, and that the test of it sees what is not flushed."""

import os
import time

import pytest

from ml.durable import change_together, discard_leftovers, finish_change, read_sealed, write_sealed
from tests.power_cut import survive_power_cuts

JOBS = "tests.ml.durable_jobs"


def files(place):
    """Names and texts below a folder, but what is hidden."""
    return {
        path.relative_to(place).as_posix(): path.read_text()
        for path in place.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "place"
    (folder / "deep").mkdir(parents=True)
    return folder


def test_a_file_is_the_old_one_or_the_new_one_after_a_power_cut(place):
    (place / "folder").mkdir()
    (place / "folder" / "table.csv").write_text("old\n")

    def whole(place):
        assert (place / "folder" / "table.csv").read_text() in ("old\n", new)

    new = "new, and longer than before\n"
    cuts = survive_power_cuts(f"{JOBS}:write_one_file", place, files, meanwhile=whole)
    assert cuts >= 4  # opened, flushed, renamed, its folder flushed
    assert files(place) == {"folder/table.csv": new}


def test_what_is_sealed_is_whole_or_done_again(place):
    assert survive_power_cuts(f"{JOBS}:resume_unless_sealed", place, files) >= 8
    assert read_sealed(place / "part.json") == {"values": [1, 2, 3]}


def test_files_changed_together_are_all_new_or_all_old(place):
    old = {"demand.csv": "old\n", "deep/items.csv": "old\n", "stock.csv": "old\n"}
    new = {name: f"new {name}\n" for name in ("demand.csv", "deep/items.csv")}
    for name, text in old.items():
        (place / name).write_text(text)
    seen = set()

    def all_or_none(place):
        finish_change(place)
        assert files(place) in (old, new)
        seen.add(len(files(place)))

    job = f"{JOBS}:change_three_files"
    assert survive_power_cuts(job, place, files, meanwhile=all_or_none) > 15
    assert files(place) == new
    assert seen == {2, 3}
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []


def test_a_change_that_fails_changes_nothing(place):
    (place / "demand.csv").write_text("old\n")

    def change_half():
        with change_together(place) as changes:
            changes.path("demand.csv").write_text("new\n")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        change_half()
    assert files(place) == {"demand.csv": "old\n"}
    assert not finish_change(place)


def test_what_writers_that_died_a_day_ago_were_writing_is_removed_and_nothing_else(tmp_path):
    day = 86_400.0
    ages = {".123-table.csv": 1.5, ".124-table.csv": 0.5, "table.csv": 9.0, ".hidden-x": 9.0,
            ".123-folder": 1.5}  # fmt: skip
    for name, days in ages.items():
        path = tmp_path / name
        path.mkdir() if "folder" in name else path.write_text("half")
        os.utime(path, (time.time() - days * day,) * 2)
    discard_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".124-table.csv",
        "table.csv",
        ".hidden-x",
    }
    discard_leftovers(tmp_path / "no such folder")


def test_a_rename_without_flushing_is_seen_where_a_marker_vouches_for_it(place):
    with pytest.raises(AssertionError, match=r"emptied: .*table.csv.*ends with another result"):
        survive_power_cuts(f"{JOBS}:resume_unless_done", place, files)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"content": {}, "sha256": "0"}', b"[1]"])
def test_a_damaged_seal_counts_as_missing(tmp_path, damage):
    path = write_sealed(tmp_path / "done.json", {"á": 1})
    assert read_sealed(path) == {"á": 1}
    path.write_bytes(damage)
    assert read_sealed(path) is None
    assert read_sealed(tmp_path / "nothing.json") is None
