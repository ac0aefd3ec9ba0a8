"""Where the tables of the past are taken from, and what keeps a row out of them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import past_key
from ml.artifacts.manifest import as_entry
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.version import (
    commit_version,
    discard_stale_staging,
    read_manifest,
    stage_version,
    verify_version,
    write_document,
    write_manifest,
)
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.gate.verdict import GATE, Outcome, Verdict, to_document
from ml.run.keep_past import list_past, read_held
from tests.ml.gate.builders import facts
from tests.ml.reporting.test_past_scores import row

FIRST, SECOND = "20250702T000000Z-00000001", "20250802T000000Z-00000002"


def table_of(*rows):
    return pa.Table.from_pylist(rows, PAST_FORECASTS.schema)


def write(path, table):
    about = footer(PAST_FORECASTS, version_id=FIRST, as_of="2025-06-01", generator="test")
    with DatasetWriter(path, PAST_FORECASTS, about) as writer:
        writer.append(table)
        return writer.close()


def commit(results, version, held, fresh=None, closed=None):
    """A version that holds a table, adds another to the past, and may be kept back by a rule."""
    staged = stage_version(results, version)
    files, past = [write(staged.data_path("past_forecasts"), held)], list(list_past(results))
    if fresh is not None:
        file = write(staged.past_path("past_forecasts"), fresh)
        past.append(as_entry(file, past_key("past_forecasts", version)))
    if closed:
        rules = (Outcome(closed, 5.0, 2.0, "closed", "too much"),)
        write_document(staged, GATE, to_document(Verdict(version, None, rules, facts())))
    write_manifest(staged, files, as_of="2025-06-01", partial=False, run={}, past=past)
    commit_version(results, version, publisher="host/test")


def test_a_first_version_starts_from_nothing(tmp_path):
    assert read_held(tmp_path, PAST_FORECASTS).num_rows == 0
    assert read_held(tmp_path, SCORES).schema == SCORES.schema
    assert list_past(tmp_path) == ()


def test_the_newest_version_is_gone_on_with(tmp_path):
    commit(tmp_path, FIRST, table_of(row(month=5)), table_of(row(month=5)))
    commit(tmp_path, SECOND, table_of(row(month=6)), table_of(row(month=6)))
    assert read_held(tmp_path, PAST_FORECASTS)["ds"][0].as_py().month == 6
    assert [file.path for file in list_past(tmp_path)] == [
        past_key("past_forecasts", version) for version in (FIRST, SECOND)
    ]


@pytest.mark.parametrize(("rule", "left"), [("change", 1), ("synthetic", 2), (None, 2)])
def test_what_a_version_said_that_the_gate_kept_back_is_dropped(tmp_path, rule, left):
    rows = row(month=7, version_id=FIRST, y=None), row(month=8, version_id=SECOND, y=None)
    commit(tmp_path, SECOND, table_of(*rows), closed=rule)
    assert read_held(tmp_path, PAST_FORECASTS).num_rows == left


def test_a_table_that_is_damaged_comes_from_the_files_of_the_past(tmp_path, capsys):
    revised = row(month=5, y=9.0)
    commit(tmp_path, FIRST, table_of(row(month=5)), table_of(row(month=5), row(month=6)))
    commit(tmp_path, SECOND, table_of(row(month=5)), table_of(revised))
    (path,) = (tmp_path / "versions" / SECOND / "history").glob("*.parquet")
    path.write_bytes(b"damaged")
    rows = read_held(tmp_path, PAST_FORECASTS).to_pylist()
    assert [(one["ds"].month, one["y"]) for one in rows] == [(5, 9.0), (6, 3.0)]
    assert "What the files of the past hold is taken instead." in capsys.readouterr().err


def test_columns_that_came_later_are_not_known_of_earlier_rows(tmp_path):
    commit(tmp_path, FIRST, table_of(row()), table_of(row()))
    (path,) = (tmp_path / "versions" / FIRST / "history").glob("*.parquet")
    path.write_bytes(b"damaged")
    kept = tmp_path / past_key("past_forecasts", FIRST)
    old = table_of(row()).drop_columns(["reference", "unit"])
    kept.unlink()
    pq.write_table(old, kept)
    table = read_held(tmp_path, PAST_FORECASTS)
    assert table.schema == PAST_FORECASTS.schema
    assert (table["unit"].to_pylist(), table["y"].to_pylist()) == ([None], [3.0])


def test_a_file_of_the_past_that_is_lost_is_named_no_more(tmp_path, capsys):
    commit(tmp_path, FIRST, table_of(row()), table_of(row()))
    commit(tmp_path, SECOND, table_of(row()), table_of(row()))
    (tmp_path / past_key("past_forecasts", FIRST)).unlink()
    assert [file.path for file in list_past(tmp_path)] == [past_key("past_forecasts", SECOND)]
    assert "1 of 2 files of the past are missing" in capsys.readouterr().err


def test_where_no_manifest_can_be_read_the_files_that_are_there_are_named(tmp_path, capsys):
    commit(tmp_path, FIRST, table_of(row()), table_of(row()))
    named = list_past(tmp_path)
    (tmp_path / "versions" / FIRST / "manifest.json").write_bytes(b"{}")
    (found,) = list_past(tmp_path)
    assert (found.path, found.bytes, found.sha256) == (
        named[0].path, named[0].bytes, named[0].sha256
    )  # fmt: skip
    assert "is named instead" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["before", "placed", "moved"])
def test_a_commit_that_died_is_finished_with_the_same_past(tmp_path, moment):
    staged = stage_version(tmp_path, FIRST)
    file = write(staged.past_path("past_forecasts"), table_of(row()))
    entry = as_entry(file, past_key("past_forecasts", FIRST))
    write_manifest(staged, [], as_of="2025-06-01", partial=False, run={}, past=[entry])
    place = tmp_path / entry.path
    if moment != "before":
        place.parent.mkdir(parents=True)
        place.write_bytes(file.path.read_bytes())
    if moment == "moved":
        (tmp_path / "versions").mkdir()
        staged.folder.rename(tmp_path / "versions" / FIRST)
    commit_version(tmp_path, FIRST, publisher="host/test")
    assert verify_version(tmp_path, FIRST) == []
    assert read_manifest(tmp_path, FIRST).past == (entry,)
    assert not staged.past_folder.exists()
    place.write_bytes(b"changed")
    assert verify_version(tmp_path, FIRST) == [
        f"{entry.path}: other content (7 bytes) than written"
    ]


def test_what_a_dead_run_left_of_the_past_goes_with_the_rest(tmp_path):
    staged = stage_version(tmp_path, FIRST)
    write(staged.past_path("past_forecasts"), table_of(row()))
    assert discard_stale_staging(tmp_path) == [FIRST, f"{FIRST}.past"]
    assert not results_store(tmp_path).head(past_key("past_forecasts", FIRST))
