"""What stock by a run's backtest would have come to, for its tables and for a command."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from ml.ensemble.mixture import ENSEMBLE
from ml.errors import ConfigError, DataError
from ml.evaluation.origins import BacktestPoints
from ml.inventory.items import ItemPolicy
from ml.locks import hold
from ml.run.backtest import read_ensemble, read_judged
from ml.run.inputs import RunInputs
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan, make_plans
from ml.run.request import RunRequest
from ml.run.train import find_needed
from ml.setting_groups import PolicySettings
from ml.simulation.levels import TARGETS
from ml.simulation.study import study_stock
from ml.simulation.tables import tables_of

Tables = tuple[pa.Table, pa.Table]  # rows of SIMULATION and PORTFOLIO_CURVES


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyWish:
    """How to supply items otherwise than their policies say.

    Raises:
        ConfigError: A time that is no number of days above 0, or a level not between 0 and 1.
    """

    lead_time: float | None = None  # mean lead time of all items [days]; `None` = their own
    review: float | None = None  # review period of all items [days]; `None` = their own
    lost_sales: bool = False  # whether unserved demand is lost instead of owed
    levels: tuple[float, ...] = TARGETS  # service targets

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, days in (("--lead-time", self.lead_time), ("--review", self.review)):
            if days is not None and not 0 < days < math.inf:
                raise ConfigError(f"{name} {days:g}: must be a number of days above 0.")
        wrong = [level for level in self.levels if not 0 < level < 1]
        if wrong or not self.levels:
            raise ConfigError(
                f"--levels: {len(wrong)} of {len(self.levels)} are not between 0 and 1: "
                f"{wrong[:3]}. Write them as .8,.9,.95."
            )

    def apply(self, policy: ItemPolicy, settings: PolicySettings) -> ItemPolicy:
        """The policy as wished; a wished lead time varies as one that is assumed."""
        if self.review is not None:
            policy = replace(policy, review_period_days=self.review)
        if self.lead_time is None:
            return policy
        spread = settings.lead_time_cv * self.lead_time
        return replace(
            policy,
            lead_time_days_mean=self.lead_time,
            lead_time_days_std=spread,
            lead_time_sample=(),
        )


def read_levels(text: str | None) -> tuple[float, ...]:
    """Service targets out of ``.8,.9``, ascending and each once; ``None`` = the usual ones.

    Raises:
        ConfigError: One is no number.
    """
    if text is None:
        return TARGETS
    try:
        return tuple(sorted({float(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        raise ConfigError(f"--levels '{text}': write numbers as .8,.9,.95.") from None


def simulate_stock(plan: PanelPlan, backtests: Sequence[BacktestPoints]) -> Tables:
    """What the backtest of a demand panel, the ensemble in it, would have come to.

    What has come since it was fitted has no part in it.
    """
    then = replace(plan, panel=plan.panel.until(plan.fitted_at))
    return _simulate(then, backtests, plan.policies, SupplyWish())


def simulate_trained(
    inputs: RunInputs, request: RunRequest, wish: SupplyWish
) -> tuple[PanelPlan, Tables]:
    """Simulate the models that are trained on the demand of these inputs.

    Raises:
        DataError: There is no demand, or its history is too short for a backtest.
        ModelError: Models are missing.
    """
    store = ModelStore(request.settings.models_dir, inputs.dataset_id())
    plan = next((one for one in make_plans(inputs, request) if one.panel.is_demand), None)
    if plan is None:
        raise DataError("simulate: there is no demand among the data; prices need no stock.")
    with hold(store.root):
        ensemble = read_ensemble(store.folder(plan.name, ENSEMBLE))
        store.require(plan, find_needed(plan, ensemble, every=False))
        backtests = read_judged(store.folder(plan.name, ENSEMBLE))
    policy = request.settings.policy
    policies = {item: wish.apply(own, policy) for item, own in plan.policies.items()}
    simulated = _simulate(plan, backtests, policies, wish)
    if not simulated[0].num_rows:
        raise DataError(
            f"simulate: panel '{plan.name}' has {len(plan.panel.periods)} periods and "
            f"{len(plan.backtest_items)} items that a backtest can run on: too little to simulate "
            "any. Give more history, or a shorter --horizon when training."
        )
    return plan, simulated


def _simulate(
    plan: PanelPlan,
    backtests: Sequence[BacktestPoints],
    policies: Mapping[str, ItemPolicy],
    wish: SupplyWish,
) -> Tables:
    study = study_stock(
        backtests, plan.panel, policies, plan.seed, lost_sales=wish.lost_sales, targets=wish.levels
    )
    return tables_of(study, plan.panel, plan.seed)
