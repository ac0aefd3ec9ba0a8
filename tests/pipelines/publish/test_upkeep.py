"""Reading all versions back, in shares, and putting damaged files back."""

import json
import shutil
from datetime import timedelta
from hashlib import sha256
from itertools import chain

import pytest

from ml.artifacts import log
from ml.artifacts.errors import VerificationError
from ml.artifacts.folder_store import folder_store, results_store
from ml.artifacts.reading import verify
from ml.artifacts.store import Body, read_small
from ml.errors import ConfigError
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.deploy import Deployment
from pipelines.publish.publishing import newest_local
from pipelines.publish.repair import repair
from pipelines.publish.upkeep import Subset, live_versions, verify_versions
from tests.pipelines.publish.drills import LATER, put
from tests.pipelines.publish.faults import Died, Faults
from tests.pipelines.publish.places import LIMIT, copy_of
from tests.pipelines.publish.versions import make_version, version_id

PREVISOR = "scripts/previsor.py"
IDS = [version_id(number, days=number) for number in (1, 2, 3)]


def flipped(store, key):
    """One bit of an object is another one; the hash that was stored with it is not."""
    data = bytearray(read_small(store, key, limit=LIMIT))
    data[len(data) // 2] ^= 1
    before = Body.of(read_small(store, key, limit=LIMIT)).sha256
    store.put(key, Body(bytes(data), len(data), before))


def cut(store, key):
    store.put(key, Body.of(read_small(store, key, limit=LIMIT)[:-1]))


def replaced(store, key):
    store.put(key, Body.of(b"something else, which is longer than the file was" * 200))


def lost(store, key):
    store.remove(key)


DAMAGES = [flipped, cut, replaced, lost]


def wrong(store, record):
    try:
        return verify(store, log.record_manifest(store, record))
    except VerificationError as error:
        return [str(error)]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_put_back_from_the_results_folder_and_nothing_else_written(place, made, damage):
    store, version = place.open(), made(1)
    record = put(store, version).record
    table, manifest = version.manifest.files[0].path, f"versions/{version.version_id}/manifest.json"
    damage(store, table)
    damage(store, manifest)
    assert wrong(store, record)
    faults = Faults()
    done = repair(place.open(faults), record, results_store(version.results))
    assert (done.restored, done.lost) == ((table, manifest), ())
    writes = [name for name in faults.names if name.startswith(("put", "create", "PUT"))]
    assert all(name.endswith((table, manifest)) for name in writes), writes
    assert wrong(store, record) == []
    assert repair(store, record, results_store(version.results)).restored == ()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_on_this_disk_is_put_back_from_the_store(near_place, tmp_path, damage):
    store, results = near_place.open(), tmp_path / "results"
    put(store, make_version(results, IDS[0]))
    local = results_store(results)
    record = log.newest(local)
    keys = [entry.key for entry in local.listing("versions/")]
    for key in keys:
        damage(local, key)
    done = repair(local, record, store)
    assert (sorted(done.restored), done.lost) == (keys, ())
    assert wrong(local, record) == []


def test_what_is_damaged_in_both_places_is_named_and_the_rest_is_put_back(near_place, tmp_path):
    store, results = near_place.open(), tmp_path / "results"
    version = make_version(results, IDS[0])
    record, (first, second, *_) = put(store, version).record, version.manifest.files
    local = results_store(results)
    cut(store, first.path)
    cut(store, second.path)
    flipped(local, first.path)
    done = repair(store, record, local)
    assert done.restored == (second.path,)
    assert done.lost[0].endswith(f", and the copy in {local.name} is damaged too")
    local.remove(first.path)
    assert "there is no copy of it in" in repair(store, record, local).lost[0]
    lost(store, f"versions/{IDS[0]}/manifest.json")
    shutil.rmtree(results / "versions")
    assert "No whole copy is in" in repair(store, record, local).lost[0]


def test_a_repair_that_dies_at_any_request_is_finished_by_the_next(near_place, made):
    """Every request of a repair of two files, before and after the store did it."""
    version = made(1)
    record = put(near_place.open(), version).record
    damaged = near_place.open()
    cut(damaged, version.manifest.files[0].path)
    lost(damaged, version.manifest.files[1].path)
    local = results_store(version.results)
    rehearsal = Faults()
    repair(copy_of(near_place).open(rehearsal), record, local)
    assert len(rehearsal.names) > 10
    for step in range(len(rehearsal.names)):
        for when in ("before", "after"):
            here = copy_of(near_place)
            with pytest.raises(Died):
                repair(here.open(Faults(step, when)), record, local)
            assert repair(here.open(), record, local).lost == ()
            assert wrong(here.open(), record) == [], (step, when)


@pytest.mark.parametrize("shares", [1, 2, 7, 30])
def test_every_version_is_in_one_share_and_stays_in_it(shares):
    ids = [version_id(number, days=number) for number in range(300)]
    parts = [Subset(number, shares) for number in range(1, shares + 1)]
    held = [[one for one in ids if part.holds(one)] for part in parts]
    assert sorted(chain(*held)) == sorted(ids)
    assert all(held)  # of 300 in 30 shares one is empty with a chance of 30 * (29/30)**300 = 0.1 %


def test_a_share_goes_by_the_last_digit_of_a_hash_that_never_changes():
    for name in IDS:  # of 16 shares, for 16 divides all digits before the last
        digit = int(sha256(name.encode()).hexdigest()[-1], 16)
        assert [n for n in range(1, 17) if Subset(n, 16).holds(name)] == [digit + 1]


@pytest.mark.parametrize("text", ["0/7", "8/7", "1/0", "2", "a/b", "-1/7", "1/7/7", "1,5/7"])
def test_a_share_that_is_none_is_a_usage_error(text):
    with pytest.raises(ConfigError, match=r"--subset .*write N/M with N from 1 to M"):
        Subset.parse(text)


@pytest.fixture
def run(command, tmp_path):
    """Three versions of a results folder are published; run a command on them."""
    for number, name in enumerate(IDS, start=1):
        make_version(tmp_path / "results", name, rows=number)
        put(folder_store(tmp_path / "out"), newest_local(tmp_path / "results"))
    return command


def test_all_versions_are_read_back_and_not_only_the_newest(run, tmp_path):
    code, lines, told = run("--verify", "--all")
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith(f"3 versions in '{tmp_path}/out' are whole: 12 files, ")
    assert "reading 3 versions: " in told  # progress
    old = next((tmp_path / "out" / "versions" / IDS[0] / "metrics").glob("*.parquet"))
    old.write_bytes(b"x")
    (tmp_path / "out" / "versions" / IDS[1] / "manifest.json").unlink()
    (tmp_path / "out" / "versions" / ".DS_Store").write_bytes(b"x")
    assert run("--verify")[0] == 0
    code, lines, told = run("--verify", "--all")
    assert code == 5
    assert [line.split(":")[0] for line in lines] == [
        f"problem  version {IDS[1]}", f"problem  version {IDS[0]}",
        "warning  1 files are none of ours",
    ]  # fmt: skip
    error = told.splitlines()[-1]
    assert error.startswith("error: verification failed: ")
    assert "2 problems in 3 versions: " in error
    assert "--repair --all" in error


def test_the_shares_of_all_nights_find_every_damage_once(run, tmp_path):
    for name in IDS:
        next((tmp_path / "out" / "versions" / name / "metrics").glob("*.parquet")).unlink()
    nights = [run("verify", "--all", "--subset", f"{n}/7", script=PREVISOR) for n in range(1, 8)]
    found = [line.split()[2] for _, lines, _ in nights for line in lines if "problem" in line]
    assert sorted(found) == [f"{name}:" for name in IDS]
    assert all(code == (5 if "problem" in str(lines) else 0) for code, lines, _ in nights)
    assert any(f"0 versions in share {n} of 7" in str(lines) for n, (_, lines, _) in
               enumerate(nights, start=1))  # fmt: skip


def test_versions_marked_for_removal_are_left_out_and_not_put_back(run, tmp_path):
    store = folder_store(tmp_path / "out")
    keep_two = Retention(versions=2, age=timedelta(0), grace=timedelta(0))
    for hours in (0, 1):
        collect_garbage(store, keep_two, now=LATER + timedelta(hours=hours))
    assert [record.version_id for record in live_versions(store).records] == IDS[1:]
    assert "; 1 marked for removal were left out" in run("--verify", "--all")[1][0]
    code, _, told = run("--repair", IDS[0])
    assert (code, f"version {IDS[0]} is marked for removal or was removed" in told) == (5, True)
    assert run("--repair", "--all")[0] == 0
    assert not (tmp_path / "out" / "versions" / IDS[0]).exists()


def test_a_version_removed_while_it_is_read_back_is_no_damage(run, tmp_path):
    store, keep_two = folder_store(tmp_path / "out"), Retention(versions=2, age=timedelta(0),
                                                                grace=timedelta(0))  # fmt: skip
    collect_garbage(store, keep_two, now=LATER)
    (tmp_path / "out" / "_gc").rename(tmp_path / "marks")  # the mark comes after the first look
    lines = verify_versions(Deployment(tmp_path / "out", tmp_path / "results"), every=True)
    next((tmp_path / "out" / "versions" / IDS[0] / "metrics").glob("*.parquet")).unlink()
    path = tmp_path / "out" / "versions" / IDS[1] / "manifest.json"
    manifest = path.read_bytes()
    path.write_bytes(b"x")
    assert f"version {IDS[1]}" in next(lines)  # the log was read, and this one's manifest
    path.write_bytes(manifest)
    (tmp_path / "marks").rename(tmp_path / "out" / "_gc")
    with pytest.raises(VerificationError, match="1 problems in 3 versions"):
        list(lines)


def test_a_repair_puts_back_both_places_pointer_and_flat_view(run, tmp_path):
    out, results = tmp_path / "out", tmp_path / "results"
    in_store = next((out / "versions" / IDS[1] / "metrics").glob("*.parquet"))
    here = next((results / "versions" / IDS[2] / "forecasts").glob("*.parquet"))
    shutil.rmtree(results / "versions" / IDS[0])  # gone on purpose: it is not brought back
    for path in (in_store, here):
        path.write_bytes(b"x")
    (out / "metadata" / "last_updated.json").unlink()
    code, lines, _ = run("--repair", "--all", "--dry-run")
    would = [line for line in lines if line.startswith("would be restored ")]
    assert (code, len(would), in_store.read_bytes()) == (0, 2, b"x")
    code, lines, _ = run("repair", "--all", script=PREVISOR)
    assert code == 0
    assert lines[:2] == [line.removeprefix("would be ") for line in would]
    assert lines[2] == f"3 versions in '{out}' read: 2 files restored"
    assert (out / "metadata" / "last_updated.json").is_file()
    assert not (results / "versions" / IDS[0]).exists()
    assert run("--verify", "--all")[0] == 0
    log_lines = (tmp_path / "logs" / "deploy_ml_results.jsonl").read_text().splitlines()
    assert [found for line in log_lines if (found := json.loads(line).get("restored"))] == [2, 2]


@pytest.mark.parametrize("damage", [lost, replaced], ids=["lost", "replaced"])
@pytest.mark.parametrize("folder", ["out", "results"])
def test_the_newest_record_is_put_back_from_the_pointer(run, tmp_path, folder, damage):
    store, key = folder_store(tmp_path / folder), "_commits/00000000000000000003.json"
    before = read_small(store, key, limit=LIMIT)
    damage(store, key)
    code, lines, _ = run("--repair", "--dry-run")
    assert (code, lines) == (0, [f"would be restored {key} in {store.name}"])
    code, lines, _ = run("--repair")
    assert (code, lines[0]) == (0, f"restored {key} in {store.name}")
    assert read_small(store, key, limit=LIMIT) == before
    assert run("--verify", "--all")[0] == 0


def test_a_record_is_not_put_back_where_it_does_not_fit(run, tmp_path):
    store, key = folder_store(tmp_path / "out"), "_commits/00000000000000000003.json"
    pointer, other = "metadata/last_updated.json", "_commits/00000000000000000002.json"
    lost(store, key)
    code, _, told = run("--verify", "--all")
    assert (code, "the log ends at 2: records were removed. Run --repair" in told) == (5, True)
    store.put(other, Body.of(read_small(store, other, limit=LIMIT) + b" "))
    assert "record 3 was made after a record 2" in run("--repair")[2]
    lost(store, other)
    code, _, told = run("--repair")
    assert (code, f"{other}: is missing" in told) == (5, True)
    assert read_small(store, pointer, limit=LIMIT)
    assert store.head(key) is None


def test_what_cannot_be_put_back_ends_in_one_line_and_the_exit_code(run, tmp_path):
    for folder in ("out", "results"):
        next((tmp_path / folder / "versions" / IDS[2] / "metrics").glob("*.parquet")).unlink()
    code, lines, told = run("--repair")
    assert (code, len(lines)) == (5, 2)  # each place, as it looks from there
    assert all(line.startswith("lost     versions/") for line in lines)
    assert "2 damages could not be repaired" in told.splitlines()[-1]


def test_a_damaged_log_of_the_results_does_not_keep_the_store_from_repair(run, tmp_path):
    path = next((tmp_path / "out" / "versions" / IDS[2] / "metrics").glob("*.parquet"))
    path.unlink()
    (tmp_path / "results" / "_commits" / "00000000000000000001.json").write_bytes(b"x")
    code, lines, told = run("--repair")
    assert (code, len(lines), path.is_file()) == (5, 2, True)
    assert lines[0].startswith("lost     the log of the results folder is damaged: ")
    assert (
        "Restore it from a copy; --repair can put the newest record back" in told.splitlines()[-1]
    )


@pytest.mark.parametrize("verb", ["--verify", "--repair"])
def test_an_empty_store_has_no_versions_that_are_whole(run, tmp_path, verb):
    code, _, told = run(verb, "--all", to=tmp_path / "empty")
    assert (code, "nothing was published" in told) == (5, True)


def test_a_place_is_verified_without_being_written_to(run, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    place = Deployment(tmp_path / "out", tmp_path / "results")
    assert len(list(verify_versions(place, every=True))) == 1
    assert sorted(tmp_path.rglob("*")) == before
