"""A season of nights in a row, with all that can befall them: what is published, and who is told.

DRILLS=full runs 60 nights, which takes an hour or more. Elsewhere three are run on two items by
months, with a source that is dead, a kill, and history that is rewritten.
"""

import json
import os
import re
import sys
from collections import defaultdict
from datetime import date

import numpy as np
import pytest

from ml.artifacts.version import commits
from pipelines.publish.reader import open_ml_results
from tests.pipelines.job.conftest import Workspace
from tests.pipelines.nightly.season import Alarm, Season, SeasonPlan, run_season

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
]
FULL = bool(os.environ.get("DRILLS"))
SIXTY = SeasonPlan(
    nights=60, dead=(7, 8, 9, 10, 11), kills=tuple(range(5, 61, 5)), cuts=(17, 44), revised=22,
    shifted=3, rewritten=27, ended=42, missed=33,
    poisoned=30,
    alarms=(
        Alarm("degraded", "economic_etl", opens=(7, 7), ends=(12, 12)),
        Alarm("drift", "demand_d", opens=(3, 31)),
        Alarm("drift", "price_b, history", opens=(22, 22), ends=(25, 25)),
        Alarm("drift", "demand_d, history", opens=(27, 27), ends=(34, 34)),
        Alarm("gate_closed", "", opens=(30, 30), ends=(31, 31)),
        Alarm("wrong_in_life", "demand_d", opens=(30, 31), ends=(31, 35)),  # poisoned
        Alarm("missed_night", "", opens=(34, 34), ends=(35, 35)),
        Alarm("drift", "demand_d", opens=(42, 60)),
    ),
)  # fmt: skip
THREE = SeasonPlan(
    nights=3, first=date(2025, 4, 7), history=470, outside=35, monthly=True, dead=(2,), kills=(2,),
    rewritten=3,
    alarms=(
        Alarm("degraded", "economic_etl", opens=(2, 2), ends=(3, 3)),
        Alarm("drift", "demand_ms, history", opens=(3, 3)),
    ),
)  # fmt: skip
GATE = 4  # exit code of a night whose version the gate keeps back
MOST_OTHERS = 2 if FULL else 0  # alarms that nothing was planted for
DRAWN = 3 if FULL else 1  # versions that are asked about, and made again
full_only = pytest.mark.skipif(
    not FULL, reason="three nights are too few, and made again elsewhere"
)


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Season:
    """All nights."""
    return run_season(SIXTY if FULL else THREE, Workspace(tmp_path_factory.mktemp("season")))


def tell(line: str) -> None:
    """A figure, for `make drills`."""
    print(line)  # noqa: T201


def test_a_drill_of_a_season_publishes_a_whole_and_valid_version_each_night(season):
    plan = season.plan
    failed = {night.number: night.code for night in season.nights if night.code}
    assert failed == ({plan.poisoned: GATE} if plan.poisoned else {})
    assert not any("Traceback" in night.said for night in season.nights)
    records = commits(season.store)
    assert [one.seq for one in records] == list(range(1, plan.nights + 1 - len(failed)))
    days = [f"{night.day:%Y%m%d}" for night in season.nights if not night.code]
    assert [one.version_id[:8] for one in records] == days
    done = season.workspace.run(
        "scripts/deploy_ml_results.py", "--verify", "--all", "--to", str(season.store)
    )
    tell(f"{plan.nights} nights, {len(records)} versions published: {done.stdout.splitlines()[-1]}")
    seconds = [night.seconds for night in season.nights]
    cpu = sum(step["cpu_seconds"] or 0.0 for step in season.rows("steps"))
    tell(f"a night took {np.median(seconds):.1f} s (median; {min(seconds):.1f} to "
         f"{max(seconds):.1f}), {cpu / plan.nights:.1f} s of processors")  # fmt: skip


def test_a_drill_of_a_season_takes_no_model_that_was_trained_on_poisoned_files(season):
    if not season.plan.poisoned:
        pytest.skip("nothing is poisoned in three nights")
    versions = {row["version_id"][:8]: row for row in season.rows("versions")}
    made = [versions[f"{night.day:%Y%m%d}"] for night in season.nights]
    bad = made[season.plan.poisoned - 1]
    after = [json.loads(row["fitted"])["demand_d"] for row in made[season.plan.poisoned :]]
    assert not any(bad["dataset_id"] in one.get("lineage", ()) for one in after)
    then = json.loads(made[season.plan.poisoned - 2]["fitted"])["demand_d"]
    tell(f"models before the poisoned night of {then['fitted_at']}, on it of "
         f"{json.loads(bad['fitted'])['demand_d']['fitted_at']}, after it of "
         f"{after[0]['fitted_at']}; gate: {bad['gate'][:200]}")  # fmt: skip


def test_a_drill_of_a_season_leaves_no_process_of_a_night_that_was_ended_from_outside(season):
    for how, planned in (("killed", season.plan.kills), ("power cut", season.plan.cuts)):
        ended = [night for night in season.nights if night.stopped == how]
        assert len(ended) >= len(planned) - len(planned) // 4 - 1  # some were done before it
        if not ended:
            continue
        tell(f"{how}: {len(ended)} nights, the last process gone after "
             f"{max(night.left for night in ended):.2f} s, "
             f"{sum(len(night.lost) for night in ended)} files emptied")  # fmt: skip
        assert all(night.left < 10.0 for night in ended)


def conditions(season):
    """Of each condition: kind, subject, the nights on which it opened and ended, and its row."""
    number = {str(night.day): night.number for night in season.nights}
    nights = {row["run_id"]: number[row["day"]] for row in season.rows("runs")}
    return [
        (row["kind"], row["subject"], nights[row["opened_run"]], nights.get(row["ended_run"]), row)
        for row in season.rows("conditions")
    ]


def test_a_drill_of_a_season_rings_on_the_planted_nights_and_hardly_on_others(season):
    found = conditions(season)
    for kind, subject, opened, ended, row in found:
        tell(f"{kind} {subject}: nights {opened} to {ended or 'the end'}: {row['text'][:160]}")
    left = [one[:4] for one in found]
    for alarm in season.plan.alarms:
        first, last = alarm.opens
        own = [one for one in left if one[:2] == (alarm.kind, alarm.subject)
               and first <= one[2] <= last]  # fmt: skip
        assert own, f"nobody was told: {alarm}"
        left.remove(own[0])
        if alarm.ends:
            assert alarm.ends[0] <= (own[0][3] or 0) <= alarm.ends[1], (alarm, own)
    assert len(left) <= MOST_OTHERS, left


def test_a_drill_of_a_season_sends_one_message_a_condition_and_one_when_it_ends(season):
    sent = defaultdict(list)
    for request in season.hook.log:
        said = json.loads(request.body)
        (number,) = re.findall(r"condition (\d+)\.", said["message"])
        if "more: " not in said["title"]:  # of a condition that has widened; it has its own tests
            sent[int(number)].append("ended" if "recovered" in said["title"] else "opened")
    expected = {row["id"]: ["opened", "ended"][: 1 + (ended is not None)]
                for *_, ended, row in conditions(season)}  # fmt: skip
    assert sent == expected
    tell(f"{sum(map(len, sent.values()))} messages of {len(sent)} conditions")


def covered(rows):
    """Share of what came true inside the 80 % interval; a tie at its edge as it was drawn."""

    def below(row, name):
        return row["y"] < row[name] or (row["y"] == row[name] and bool(row[f"tie_{name}"]))

    return float(np.mean([below(row, "q90") and not below(row, "q10") for row in rows]))


@full_only
def test_a_drill_of_a_season_covers_in_life_what_its_intervals_promise(season):
    newest = {}
    store = open_ml_results(season.store)
    for row in sorted(store.read_past("past_forecasts").to_pylist(), key=lambda r: r["known_at"]):
        if row["y"] is not None and not row["is_stockout"] and row["span"] == "period":
            newest[row["kind"], row["lag"], row["item_id"], row["ds"]] = row
    groups = defaultdict(list)
    for (kind, lag, *_), row in newest.items():
        groups[kind, lag].append(row)
        groups[kind, "all"].append(row)
    for (kind, lag), rows in sorted(groups.items(), key=str):
        tell(f"{kind}, lag {lag}: {covered(rows):.3f} of {len(rows)} inside the 80 % interval")
    assert abs(covered(groups["demand", "all"]) - 0.8) <= 0.04


def drawn_nights(season):
    """Some nights, the last of those whose versions are still here among them."""
    step = 9 if FULL else 1
    return [season.nights[-1 - step * n] for n in range(DRAWN)]


def test_a_drill_of_a_season_answers_the_four_questions_of_its_nights(season):
    run, history = season.workspace.run, "pipelines/history.py"
    versions = {row["version_id"][:8]: row for row in season.rows("versions")}
    for night in drawn_nights(season):
        version = versions[f"{night.day:%Y%m%d}"]["version_id"]
        published = open_ml_results(season.store, version)
        made = run(history, "--version", version).stdout
        manifest = season.workspace.manifest(version)["run"]
        for fact in (manifest["dataset_id"], manifest["model_version"], "raw/user/demand.csv",
                     f"of {night.day}"):  # fmt: skip
            assert fact in made
        row = published.read("forecasts").to_pylist()[0]
        said = run(history, "--item", row["item_id"], "--on", str(night.day)).stdout
        assert f"readers saw version {version} " in said
        assert f"{row['ds']:%Y-%m-%d}  {row['forecast']:.4g} ({row['lower']:.4g} to " in said
    models = run(history, "--models", "--last", "1000").stdout.splitlines()
    tell(f"models changed: {len(models)} lines, the newest: {models[0][:200]}")
    days = {str(night.day) for night in season.nights}
    assert {line[:10] for line in models} <= days
    assert any(" models fitted anew, for " in line for line in models)
    cost = run(history, "--cost").stdout.splitlines()
    tell(f"cost: {cost[0]}")
    assert cost[0].startswith(str(season.nights[-1].day))


@full_only
def test_a_drill_of_a_season_makes_its_versions_again_with_the_same_content(season):
    versions = {row["version_id"][:8]: row["version_id"] for row in season.rows("versions")}
    for night in drawn_nights(season):
        version = versions[f"{night.day:%Y%m%d}"]
        done = season.workspace.run("pipelines/reproduce.py", version, alone=True)
        same = done.stdout.splitlines()[-1].removeprefix("the same: ").split(", ")
        assert {"forecasts", "forecast_models", "recommendations", "metrics"} <= {*same}
        tell(f"{version}: the same {len(same)} tables")
