"""A fill of all items is divided once, over curves that were found chunk by chunk."""

from dataclasses import replace

import pytest

from ml.errors import ConfigError
from ml.inventory.common_fill import cost_units, divide_shares, item_curves
from ml.inventory.items import DemandSummary
from ml.run.portfolio import divide_portfolio
from ml.run.recommend import order_context
from ml.run.request import RunRequest
from ml.run.saved_paths import read_paths
from ml.settings import Settings
from tests.ml.run.test_saved_paths import ITEMS, Job


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A run whose paths are saved, with costs from 1 to 128 and one critical item."""
    made = Job(tmp_path_factory.mktemp("job"))
    made.forecast()
    priced = {
        item: replace(made.plan.policies[item], unit_cost=2.0**place, currency="BRL",
                      criticality="A" if place == 3 else None)
        for place, item in enumerate(ITEMS)
    }  # fmt: skip
    made.plan = replace(made.plan, policies=priced)
    return made


def divide(job, fill):
    request = replace(job.request, settings=Settings(portfolio_fill=fill))
    context = order_context(job.plan, job.inputs, request)
    return divide_portfolio(job.plan, job.find(), context, request)


def test_without_a_fill_every_item_keeps_its_own_target(job):
    assert divide(job, "") is job.plan.policies


def test_chunks_are_divided_as_all_items_at_once(job, capsys):
    assert len(job.plan.order_chunks) > 4
    given = divide(job, ".8")
    known = read_paths(job.find(), ITEMS)
    costs = cost_units(job.plan.policies.values(), {"*": 0.8})
    curves = item_curves(
        known.paths, [DemandSummary(item) for item in ITEMS], job.plan.policies, costs,
        order_context(job.plan, job.inputs, job.request),
    )  # fmt: skip
    (division,) = divide_shares(curves, costs, {"*": 0.8}).values()
    assert {item: one.given_point for item, one in given.items()} == division.points
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "portfolio: " in one]
    value = f"{division.value:,.0f} BRL in stock"
    assert f"8 items share a fill of 80.0%: {division.fill:.1%} expected of {value}" in line


def test_rows_say_that_their_levels_were_divided(job):
    divided = Job(job.store.models_dir, only_recommendations=True)
    divided.plan = replace(job.plan, policies=divide(job, "A=.9"))
    sources = {row["item_id"]: row["target_source"] for row in divided.recommend()}
    assert sources == dict.fromkeys(ITEMS, "default") | {ITEMS[3]: "portfolio"}


def test_a_wrong_fill_is_refused_before_anything_is_computed():
    with pytest.raises(ConfigError, match=r"'2' of 'A=.9,2'"):
        RunRequest(command="test", settings=Settings(portfolio_fill="A=.9,2"))
