"""The gate at a store: asked before anything is sent and at the commit, kept in the record."""

import tarfile
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from ml.artifacts import log
from ml.artifacts.folder_store import folder_store, results_store
from ml.gate.facts import JudgedCase
from ml.gate.stored import facts_of, store_judge
from ml.gate.verdict import GateError, judge, to_document
from pipelines.publish.publishing import newest_local, publish
from tests.ml.gate.builders import ITEMS, facts, rows
from tests.pipelines.publish.places import keys
from tests.pipelines.publish.versions import make_version, version_id

OLD = Path(__file__).resolve().parents[2] / "fixtures" / "old_results.tar.gz"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Results and a store of earlier code: the newest whole version's forecasts are three times
    those of the version that the store has."""
    with tarfile.open(OLD) as tar:
        tar.extractall(tmp_path)
    monkeypatch.setenv("TODAY", "2026-11-23")
    return tmp_path


@pytest.fixture
def deploy(old, command):
    """Run the command on its store; exit code, lines, and stderr."""
    return partial(command, to=old / "store")


def test_what_earlier_code_wrote_is_judged_by_its_tables(old):
    store = results_store(old / "results")
    found = facts_of(store, newest_local(old / "results").manifest)
    (panel,) = found.panels.values()
    # level 3 of the third version, times step 1, 2, 3, mean 2 a period; three items
    assert (panel.items, panel.horizon) == ({"A-1": 6.0, "B 2": 6.0, "NA": 6.0}, 3)
    assert list(panel.totals.values()) == [9.0, 18.0, 27.0]
    assert (panel.exploding, found.tables, found.orders) == (None, None, None)


@pytest.mark.parametrize("verb", [["deploy_ml_results"], ["previsor", "publish"]], ids=" ".join)
def test_a_closed_gate_publishes_nothing_and_one_line_a_rule_says_why(old, deploy, verb):
    store = folder_store(old / "store")
    before = keys(store)
    run = partial(deploy, *verb[1:], script=f"scripts/{verb[0]}.py")
    code, lines, told = run()
    said = told.splitlines()
    assert (code, lines, len(said)) == (4, [], 2)
    # 54 against 18 in all, each with one unit of slack: 55 / 19 = 2.8947
    assert said[0].startswith("gate: change: demand of 2026-11-20 to 2026-11-22 adds up to 54")
    assert "(2.8947 factor, limit 2)" in said[0]
    assert said[1].startswith(f"error: {store.name}: the gate is closed for version 20261122T")
    assert said[1].endswith("look and run deploy_ml_results --accept change")
    assert keys(store) == before
    assert run("--dry-run")[0] == 4


def test_a_person_passes_a_rule_by_its_name_and_the_record_says_so(old, deploy):
    assert deploy("--accept", "items")[0] == 4
    code, lines, _ = deploy("--accept", "change")
    assert (code, lines[0][:17]) == (0, "published version")
    record = log.newest(folder_store(old / "store"))
    assert record.gate["accepted"] == ["change"]
    assert deploy("--list")[1][1].endswith(", accepted: change")
    assert record.gate["against"] == "20261120T021503Z-00000000"
    verdicts = {rule["name"]: rule["verdict"] for rule in record.gate["rules"]}
    assert (verdicts["change"], verdicts["items"], verdicts["tables"]) == (
        "accepted", "passed", "not judged",
    )  # fmt: skip


def test_a_closed_gate_sends_nothing(place, made):
    store = place.open()

    def judge(_):
        raise GateError("closed", ["gate: items: gone"])

    with pytest.raises(GateError):
        publish(store, made(1), publisher="host/test", judge=judge)
    assert keys(store) == []


def test_who_loses_the_race_for_a_number_is_judged_against_the_winner(place, made):
    store, asked = place.open(), []

    def judge(head):
        asked.append(head.seq if head else 0)
        if len(asked) == 2:  # between the look at the newest record and the one that is created
            publish(place.open(), made(2), publisher="host/other")
        return {"against": head.version_id if head else None}

    done = publish(store, made(1), publisher="host/test", judge=judge, force=True)
    assert asked == [0, 0, 1]
    assert done.record.seq == 2
    assert log.newest(store).gate == {"against": made(2).version_id}


def test_facts_in_the_store_are_compared_with_on_every_store(place, tmp_path):
    """Everything times ten is refused, and passes where each of its three rules is accepted."""
    store, today = place.open(), date(2026, 11, 20)
    wanted = ["exploding", "change", "change_of_items"]
    for number, scale in ((1, 1), (2, 10)):
        found = facts(rows({item: scale * level for item, level in ITEMS.items()}))
        document = to_document(judge(JudgedCase(found, None, today)))
        version = make_version(tmp_path / str(number), version_id(number), gate=document)
        read = facts_of(results_store(version.results), version.manifest)
        assert read == found
        for accepted in ([], wanted[:2]) if number == 2 else ():
            gate = store_judge(store, read, accepted, today, allow_synthetic=False)
            with pytest.raises(GateError, match=r"by .*change_of_items; nothing"):
                publish(store, version, publisher="host/test", judge=gate)
            assert log.newest(store).seq == 1
        gate = store_judge(store, read, wanted, today, allow_synthetic=False)
        done = publish(store, version, publisher="host/test", judge=gate)
        assert done.record.gate["accepted"] == ([] if number == 1 else wanted)
