"""Figures of the bench of speed, against hand arithmetic on what was measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.speed.figures import Round, Size, ratios, stage_lines
from benchmarks.speed.job import OUTSIDE, CaseRun, StageCost, add_up, part_seconds, read_stages
from benchmarks.speed.peers import (
    PLAIN,
    STATSFORECAST,
    PeerRun,
    Spent,
    sample_items,
    write_task,
)
from benchmarks.speed.recipes import split_work
from benchmarks.speed.watch import ProcessCost
from benchmarks.speed.workers import (
    ALL_RACED,
    MADE_AGAIN,
    RACED,
    WorkersRound,
    forget_results,
    race_rows,
    time_parts,
)
from ml.errors import ModelError
from ml.logs import logger, logging_to
from ml.run.parallel import stage

# 3 items: 6 s at the origins, 1.5 s at the end on the wall; processors 12 s and 3 s.
TIMED = PeerRun("", 3, Spent(6.0, 12.0), Spent(1.5, 3.0), (), ())
STAGES = (
    StageCost("training", 10.0, {"all": 18.0, "fit arima": 4.0, "fit lstm": 12.0}),
    StageCost("backtest", 20.0, {"all": 38.0, "fit arima": 5.0, "predict arima": 1.0}),
)


def measured(seconds, peers):
    """A round with one cold run."""
    cost = ProcessCost(seconds, 2 * seconds, 100.0, 200.0)
    return Round({"cold": CaseRun("cold", cost, STAGES)}, peers, load=1.0)


def test_the_stages_of_the_last_run_of_a_log_are_read_whatever_they_are_called(tmp_path):
    with logging_to(tmp_path, "job", "first"), stage("reading"):
        pass
    with logging_to(tmp_path, "job", "second") as log:
        with stage("a stage of tomorrow"):
            logger().info("statement", text="of no interest")
        logger().info("stage_done", stage="without processors", seconds=2)
    first, second = read_stages(log)
    assert (first.name, list(first.cpu)) == ("a stage of tomorrow", ["all"])
    assert second == StageCost("without processors", 2.0, {})


def test_stages_of_one_name_add_up_and_the_rest_of_the_run_is_outside_of_them():
    twice = [*STAGES, replace(STAGES[1], seconds=5.0, cpu={"all": 2.0, "rows": 1.0})]
    training, backtest, rest = add_up(twice, seconds=40.0, cpu_seconds=61.0)
    assert training == STAGES[0]
    assert (backtest.seconds, backtest.cpu["all"], backtest.cpu["rows"]) == (25.0, 40.0, 1.0)
    # 40 - 10 - 25 on the wall; 61 - 18 - 40 of processors.
    assert rest == StageCost(OUTSIDE, 5.0, {"all": 3.0})


def test_what_stages_spent_time_on_adds_up_over_stages_the_most_first():
    assert list(part_seconds(STAGES).items()) == [
        ("fit lstm", 12.0), ("fit arima", 9.0), ("predict arima", 1.0),
    ]  # fmt: skip


def test_a_stage_shows_the_median_of_the_rounds():
    rounds = [measured(seconds, {}) for seconds in (31.0, 39.0, 34.0)]
    outside = stage_lines(rounds, "cold")[-1]
    assert (outside.name, outside.seconds) == (OUTSIDE, 4.0)  # of 1, 9 and 4


def test_a_peer_is_scaled_by_items_at_the_origins_and_at_the_end():
    # 500 of 1,000 items at the origins: 6 / 3 * 500 + 1.5 / 3 * 1000 on the wall.
    assert TIMED.scale(1000, 500) == Spent(pytest.approx(1500.0), pytest.approx(3000.0))


def test_ratios_are_taken_within_a_round_and_of_the_part_that_is_compared():
    peers = dict.fromkeys((*PLAIN, STATSFORECAST), TIMED)
    rounds = [measured(seconds, peers) for seconds in (30.0, 60.0, 40.0)]
    found = {(one.what, one.of): one.times for one in ratios(rounds, Size(30, 30))}
    # A peer: 30 items take 10 times of 3, 75 s on the wall and 150 s of processors.
    plain = found["plain recipe, a loop, over the whole job", "wall"]
    assert (plain.median, plain.low, plain.high) == pytest.approx((225 / 40, 225 / 60, 225 / 30))
    part = found[f"{STATSFORECAST} over our arima", "processor"]
    assert part.median == pytest.approx(150 / 10)  # 4 + 5 + 1 s of ours


def test_no_ratio_is_given_for_a_peer_that_was_not_run():
    assert list(ratios([measured(30.0, {PLAIN[0]: TIMED})], Size(30, 30))) == []


def history():
    """Ten days of six items, which are asked for on 0 to 5 of them; the last starts late."""
    days = pd.date_range("2026-01-01", periods=10).strftime("%Y-%m-%d")
    series = pd.DataFrame({f"i{n}": np.arange(10.0) < n for n in range(6)}, index=days) * 1.0
    series.loc[days[:4], "i5"] = np.nan
    return series


def test_peers_are_timed_on_busy_and_on_sparse_items_with_enough_history():
    # In order i0, i1, i5, i2, i3, i4: three of six are the second, fourth and sixth of them.
    assert sample_items(history(), 3, needed=1) == ["i1", "i2", "i4"]
    assert sample_items(history(), 2, needed=7) == ["i1", "i3"]  # of those without i5


def test_a_fit_sees_no_day_after_its_origin(tmp_path):
    write_task(tmp_path / "task.npz", history(), ["i3", "i5"], windows=2, horizon=2)
    with np.load(tmp_path / "task.npz") as stored:
        backtest, final = split_work({name: stored[name] for name in stored})
    assert [(one.item, len(one.seen)) for one in backtest] == [(0, 6), (0, 8), (1, 2), (1, 4)]
    assert [(one.item, len(one.seen)) for one in final] == [(0, 10), (1, 6)]
    assert str(backtest[0].days[-1]) == "2026-01-06"


def test_of_two_workers_and_one_only_what_is_spread_over_workers_is_compared():
    stages = [StageCost(name, 10.0 * place, {}) for place, name in enumerate(RACED.values(), 1)]
    run = replace(
        measured(200.0, {}).runs["cold"], stages=(*stages, StageCost("reading", 50.0, {}))
    )
    one, half = time_parts(run), {part: 5.0 * n for n, part in enumerate([*RACED, ALL_RACED], 1)}
    assert one[ALL_RACED] == 10 + 20 + 30 + 40
    seconds = {1: one, 2: half | {ALL_RACED: 80.0}}
    (first, *_, whole) = race_rows([WorkersRound(seconds, 0.0), WorkersRound(seconds, 0.0)])
    assert first == (next(iter(RACED)), "10.0", "5.0", "2.00")
    assert whole == (ALL_RACED, "100.0", "80.0", "1.25")


def test_a_race_in_which_a_part_was_not_done_again_ends():
    with pytest.raises(ModelError, match="was not done again"):
        time_parts(measured(200.0, {}).runs["cold"])


def test_what_is_raced_starts_from_what_was_trained_and_from_no_results(tmp_path):
    panel = tmp_path / "models" / "nova_corrente" / "d-1" / "demand_d"
    for name in (*MADE_AGAIN, "lstm", "trees"):
        (panel / name / "part").mkdir(parents=True)
    (tmp_path / "results" / "versions").mkdir(parents=True)
    forget_results(tmp_path)
    assert sorted(path.name for path in panel.iterdir()) == ["lstm", "trees"]
    assert not (tmp_path / "results").exists()
