"""What of measuring is begun while models still learn."""

from dataclasses import replace

from ml.ensemble.mixture import FittedEnsemble
from ml.run.fitted_state import FittedState
from ml.run.measure import begin_measures
from tests.ml.run.test_saved_paths import ITEMS, Job

EMPIRICAL = FittedEnsemble({"*": {"empirical": 1.0}}, {"*": [1.0]}, {"*": 1.0})


def begin(place, kept=None):
    """What is begun where these items are as they were; ``None`` = no earlier run is there."""
    job = Job(place)
    plan = replace(job.plan, backtest_items=ITEMS[1:4])
    if kept is not None:
        state = FittedState(
            dataset_id="d-0", fitted_at=plan.panel.cutoff, cutoff=plan.panel.cutoff,
            lineage=("d-0",), origins=plan.origins, backtest_items=plan.backtest_items,
            reach=plan.reach, drivers_key="", study=plan.study, tried_at=plan.panel.cutoff,
            kept=frozenset(kept),
        )  # fmt: skip
        plan = replace(plan, state=state)
    return begin_measures([plan], {plan.name: EMPIRICAL}, job.store)


def test_the_backtest_is_measured_beforehand_where_items_of_it_were_rewritten_alone(tmp_path):
    assert begin(tmp_path) == []
    assert begin(tmp_path, ITEMS[1:]) == []
    (task,) = begin(tmp_path, ITEMS[:3])
    plan = task.args[0]
    assert plan.panel.items == ITEMS[1:4]  # it carries no more than these
    assert set(plan.policies) == set(ITEMS[1:4])
