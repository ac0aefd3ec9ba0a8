"""What a change of the recommendations is put down to."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.version import commit_version, stage_version, write_manifest
from ml.contracts.changes import CHANGES
from ml.contracts.forecasts import FORECASTS
from ml.inventory.item_case import ItemCase
from ml.inventory.item_order import SIZES, size_again
from ml.inventory.recommendations import recommend
from ml.inventory.stock import read_stock
from ml.inventory.terms import add_economic_lot, plan_last_buy
from ml.run.changes import (
    ForecastIdentity,
    Supply,
    find_before,
    keep_recommended,
    name_gone,
    trace_changes,
)
from ml.run.rows import significant
from tests.ml.artifacts.conftest import made
from tests.ml.inventory.builders import make_context, make_history, make_policy, make_stock

ITEMS = ("A", "B")
DATA = ForecastIdentity("d-1", "m-1")
STEPS = ("forecast", "stock", "lead_time", "parameters")


class World:
    """Two items with a forecast, stock and parameters."""

    def __init__(self, *, mean=2.0, on_hand=3.0, identity=DATA, days=0, raised=0.0, **policy):
        rng = np.random.default_rng(4)
        self.paths = np.stack([rng.poisson(mean, (800, 12)) for _ in ITEMS])
        self.histories = [make_history(item, level_raise=raised) for item in ITEMS]
        self.context = make_context(decided_on=np.datetime64("2024-03-31") + days)
        self.rates = dict.fromkeys(ITEMS, 52.0 * mean)
        policies = {
            item: plan_last_buy(
                add_economic_lot(make_policy(item, **policy), self.rates[item]),
                self.context.decision_day,
            )
            for item in ITEMS
        }
        stock = make_stock(ITEMS, age_days=-days, on_hand=on_hand)
        self.supply = Supply(policies, stock, None)
        self.identity = identity

    def recommend(self):
        return recommend(
            self.paths, self.histories, self.supply.policies, self.supply.stock, self.context
        )

    def keep(self, results, version="20260101T000000Z-00000001"):
        keep_recommended(
            results, "demand_w", self.supply, self.context, self.recommend(),
            version_id=version, identity=self.identity,
        )  # fmt: skip

    def changes_since(self, results):
        before = find_before(results, "demand_w", self.identity)
        table = trace_changes(
            self.paths, self.histories, self.supply, self.context, self.recommend(), before,
            self.rates,
        )  # fmt: skip
        assert table.schema.equals(CHANGES.schema, check_metadata=True)
        return table.to_pylist()


@pytest.mark.parametrize(
    ("now", "driver", "changed"),
    [
        pytest.param({}, "none", "no", id="nothing"),
        pytest.param({"on_hand": 1.0}, "stock", "no", id="stock"),
        pytest.param({"days": 5}, "stock", "no", id="the day of the decision"),
        pytest.param({"lead_time_days_mean": 28.0}, "lead_time", "no", id="lead time"),
        pytest.param({"service_target": 0.7}, "parameters", "no", id="target"),
        pytest.param({"moq": 40.0}, "parameters", "no", id="lot"),
        pytest.param({"raised": 0.04}, "parameters", "no", id="raised levels"),
        pytest.param(
            {"mean": 4.0, "identity": ForecastIdentity("d-2", "m-1")}, "forecast", "data", id="data"
        ),
        pytest.param(
            {"mean": 4.0, "identity": ForecastIdentity("d-1", "m-2")}, "forecast", "model",
            id="model",
        ),
    ],
)  # fmt: skip
def test_one_planted_change_is_all_of_the_change(tmp_path, now, driver, changed):
    World().keep(tmp_path)
    for row in World(**now).changes_since(tmp_path):
        assert row["forecast_changed"] == changed
        moved = row["order_qty"] - row["order_qty_before"]
        if driver != "none" and "days" not in now:
            assert row["driver"] == driver
            assert moved != 0.0
        own = row[f"order_from_{driver}"] if driver != "none" else 0.0
        assert own == pytest.approx(moved)
        others = [row[f"order_from_{step}"] for step in STEPS if step != driver]
        assert others == [0.0] * len(others)


def test_parts_of_several_changes_add_up(tmp_path):
    World().keep(tmp_path)
    everything = World(
        mean=3.0, identity=ForecastIdentity("d-2", "m-2"), on_hand=9.0, days=3,
        lead_time_days_mean=35.0, lead_time_days_std=9.0, service_target=0.8, order_multiple=6.0,
    )  # fmt: skip
    for row in everything.changes_since(tmp_path):
        assert row["forecast_changed"] == "data_and_model"
        for name, column in (("order", "order_qty"), ("level", "reorder_point")):
            parts = [row[f"{name}_from_{step}"] for step in STEPS]
            assert sum(parts) == pytest.approx(row[column] - row[f"{column}_before"])
            assert parts[0] > 0.0  # more demand, a higher level and order
            assert parts[2] > 0.0  # a longer lead time as well
        assert row["order_from_stock"] < 0.0
        assert row["level_from_parameters"] < 0.0


LOTS = {"order_cost": 50.0, "unit_cost": 4.0}
LAST_BUY = {
    "status": "last_buy", "needed_until": datetime(2024, 6, 30), "unit_cost": 4.0,
    "stockout_cost": 40.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("then", "now", "driver"),
    [
        pytest.param(
            LOTS, {"mean": 4.0, "identity": ForecastIdentity("d-2", "m-1")}, "forecast",
            id="data that make larger lots",
        ),
        pytest.param(LOTS, {"unit_cost": 16.0}, "lead_time", id="a price that makes smaller lots"),
        pytest.param(LOTS, {"order_cost": 5.0}, "parameters", id="a cost that makes smaller lots"),
        pytest.param(LAST_BUY, {"days": 30}, "stock", id="a day nearer to the end of a last buy"),
        pytest.param(LAST_BUY, {"unit_cost": 20.0}, "lead_time", id="a price of a last buy"),
        pytest.param(
            LAST_BUY, {"unit_cost": 50.0}, "lead_time", id="a price at which a last buy ends"
        ),
        pytest.param(
            LAST_BUY, {"needed_until": datetime(2024, 9, 30)}, "parameters", id="a longer need"
        ),
    ],
)  # fmt: skip
def test_lots_and_last_buys_go_with_what_moved_them(tmp_path, then, now, driver):
    World(**then).keep(tmp_path)
    for row in World(**(then | now)).changes_since(tmp_path):
        moved = row["order_qty"] - row["order_qty_before"]
        parts = {step: row[f"order_from_{step}"] for step in STEPS}
        assert moved != 0.0
        assert parts == dict.fromkeys(STEPS, 0.0) | {driver: moved}
        assert row["driver"] == driver


def test_raised_levels_hide_neither_stock_nor_lead_time(tmp_path):
    World(raised=0.02).keep(tmp_path)
    now = World(raised=0.04, on_hand=1.0, lead_time_days_mean=28.0)
    alone = [
        World(**known).recommend().to_pylist()
        for known in (
            {"raised": 0.02},
            {"raised": 0.02, "on_hand": 1.0},
            {"raised": 0.02, "on_hand": 1.0, "lead_time_days_mean": 28.0},
            {"raised": 0.04, "on_hand": 1.0, "lead_time_days_mean": 28.0},
        )
    ]
    for at, row in enumerate(now.changes_since(tmp_path)):
        parts = [row[f"order_from_{step}"] for step in STEPS]
        assert parts == [0.0, *np.diff([rows[at]["order_qty"] for rows in alone])]
        assert parts[1] == 2.0
        assert min(parts[2:]) > 0.0


def test_an_item_that_was_not_there_is_new_and_one_without_stock_has_no_parts(tmp_path):
    old = World()
    keep_recommended(
        tmp_path, "demand_w", old.supply, old.context, old.recommend().slice(0, 1),
        version_id="20260101T000000Z-00000001", identity=DATA,
    )  # fmt: skip
    now = World(on_hand=1.0)
    assert [row["driver"] for row in now.changes_since(tmp_path)] == ["stock", "new"]
    now.supply = replace(now.supply, stock=None)
    first = now.changes_since(tmp_path)[0]
    assert (first["order_qty"], first["order_from_stock"], first["driver"]) == (None, None, "none")
    assert first["level_from_stock"] == 0.0


def test_the_newest_whole_one_is_compared_with(tmp_path):
    assert find_before(tmp_path, "demand_w", DATA) is None
    World().keep(tmp_path, "20260101T000000Z-00000001")
    World(on_hand=8.0).keep(tmp_path, "20260102T000000Z-00000002")
    kept = tmp_path / ".recommended" / "demand_w"
    assert [path.name for path in kept.iterdir()] == ["20260102T000000Z-00000002"]
    (kept / "20260102T000000Z-00000002" / "stock.parquet").write_bytes(b"")
    assert find_before(tmp_path, "demand_w", DATA) is None


@pytest.mark.parametrize(("then", "now"), [(None, 2.0), (50.0, None), (50.0, 2.0), (2.0, 2.0)])
def test_what_suppliers_and_budgets_make_of_an_order_is_a_part_of_the_parameters(
    tmp_path, then, now
):
    def world(given, on_hand):
        return World(
            on_hand=on_hand, given_order=given, given_by="none" if given is None else "budget"
        )

    alone = [World(on_hand=units).recommend().to_pylist() for units in (3.0, 1.0)]
    world(then, 3.0).keep(tmp_path)
    for at, row in enumerate(world(now, 1.0).changes_since(tmp_path)):
        own = [rows[at]["order_qty"] for rows in alone]
        assert row["order_from_stock"] == own[1] - own[0] == 2.0
        moved = row["order_qty"] - row["order_qty_before"]
        assert row["order_from_parameters"] == moved - 2.0
        assert row["level_from_parameters"] == 0.0
        expected = [value if value is not None else own[place] for place, value in
                    enumerate((then, now))]  # fmt: skip
        assert [row["order_qty_before"], row["order_qty"]] == expected


def publish_forecasts(results, version, rows):
    """A version whose forecasts are these, as item, day and mean."""
    staged = stage_version(results, version)
    (results / ".staging" / version / "forecasts").mkdir()
    items, days, means = zip(*rows, strict=True)
    about = footer(FORECASTS, version_id=version, as_of="2024-03-25", generator="test")
    table = made(FORECASTS, len(rows), item_id=items, ds=days, forecast=means)
    with DatasetWriter(staged.data_path("forecasts"), FORECASTS, about) as writer:
        writer.append(table)
        file = writer.close()
    write_manifest(staged, [file], as_of="2024-03-25", partial=False, run={})
    commit_version(results, version, publisher="host/test")


def test_forecasts_are_compared_in_the_periods_that_both_have(tmp_path):
    old, now = World(), World(mean=4.0, identity=ForecastIdentity("d-2", "m-1"))
    version = "20240326T000000Z-00000001"
    old.keep(tmp_path, version)
    week = timedelta(days=7)
    first = now.context.as_of.astype(datetime) + week  # of twelve
    first = datetime(first.year, first.month, first.day)
    publish_forecasts(
        tmp_path, version,
        [("A", first - week, 100.0), ("A", first, 2.5), ("A", first + 3 * week, 1.5),
         ("A", first + 12 * week, 100.0)],
    )  # fmt: skip
    a, b = now.changes_since(tmp_path)
    means = significant(now.paths[0].mean(axis=0), 6)
    assert (a["forecast_periods"], a["forecast_before"]) == (2, 4.0)
    assert a["forecast"] == means[0] + means[3]
    assert (b["forecast_periods"], b["forecast_before"], b["forecast"]) == (0, 0.0, 0.0)
    assert a["ltd_mean_before"] == old.recommend().to_pylist()[0]["ltd_mean"]
    assert a["ltd_mean"] == now.recommend().to_pylist()[0]["ltd_mean"]
    (path,) = (tmp_path / "versions" / version / "forecasts").glob("*.parquet")
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert now.changes_since(tmp_path)[0]["forecast_periods"] is None


def test_what_became_of_an_order_is_named(tmp_path):
    def changed(then, now):
        World(on_hand=then).keep(tmp_path)
        return {row["order_changed"] for row in World(on_hand=now).changes_since(tmp_path)}

    assert changed(3.0, 500.0) == {"vanished"}
    assert changed(500.0, 3.0) == {"new"}
    assert changed(500.0, 400.0) == {"none"}
    assert changed(3.0, 3.0) == {"same"}
    assert changed(3.0, 1.0) == {"more"}
    assert changed(1.0, 3.0) == {"less"}


def test_an_item_that_is_recommended_no_more_has_a_row(tmp_path):
    world = World()
    world.keep(tmp_path)
    before = find_before(tmp_path, "demand_w", DATA)
    assert name_gone(before, {"A", "B"}, world.context).num_rows == 0
    (row,) = name_gone(before, {"A"}, world.context).to_pylist()
    own = world.recommend().to_pylist()[1]
    assert (row["item_id"], row["driver"], row["order_changed"]) == ("B", "gone", "vanished")
    assert (row["order_qty_before"], row["order_qty"]) == (own["order_qty"], None)
    assert row["order_from_stock"] is None


@pytest.mark.parametrize("policy", [{}, {"service_target": 0.5}, {"status": "obsolete"}, LOTS])
@pytest.mark.parametrize("on_hand", [0.0, 7.0, 400.0, None])
def test_levels_of_a_row_lead_to_the_order_that_the_paths_lead_to(policy, on_hand):
    own, context = make_policy(moq=5.0, **policy), make_context()
    history = make_history(whole_units=True)
    paths = np.random.default_rng(3).poisson(2.0, (400, 12))

    def row_of(stock):
        return recommend([paths], [history], {"A": own}, stock, context).to_pylist()[0]

    stock = make_stock(on_hand=on_hand, on_order=3.0)
    case = ItemCase(
        context, own, history, read_stock(stock, None, [own], context.decision_day)["A"]
    )
    wanted = {name: row_of(stock)[name] for name in SIZES}
    assert size_again(case, paths, row_of(make_stock(on_hand=2.0))) == wanted
    assert size_again(case, paths, None) == wanted
