"""What goes into a run, and what a run was asked to do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from ml.errors import ConfigError, DataError, first_few
from ml.inventory.items import ItemPolicy, resolve_policies
from ml.inventory.lead_time_demand import protection_periods
from ml.panel import Panel
from ml.panel_tables import Prepared, Refusal
from ml.run.plan import PanelPlan, fingerprint, make_plan
from ml.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Everything that a run knows.

    Attributes:
        panels: Usable series until ``as_of``, one panel a kind and frequency.
        refusals: Series that cannot be forecast, with reasons.
        items: ITEMS table, or ``None``.
        inventory: INVENTORY table, or ``None``.
        source: Who the data of each kind is from.
        outside: Outside tables (``climate``, ``economic``, ``anatel_5g``, ``prices``) by name, of
            which the drivers are made; only rows that were available in time.
        region: City, and by its last two letters state, whose outside series move the panels.
        drivers: Whether drivers may take part at all, the calendar among them.
        statements: Plain sentences about what was read and decided.
        quality_flags: What a reader of the results should know of the inputs.
    """

    panels: tuple[Panel, ...]
    refusals: tuple[Refusal, ...]
    items: pa.Table | None
    inventory: pa.Table | None
    source: Mapping[str, str]
    outside: Mapping[str, pa.Table] = field(default_factory=dict)
    region: str = ""
    drivers: bool = True
    statements: tuple[str, ...] = ()
    quality_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked for, and where things are.

    Attributes:
        results: Results folder.
        models_dir: ``MODELS_DIR``.
        reports: Folder of the reports for people.
        started: When the run started, UTC.
        run_id: Name of this execution, on every line of the log.
        policy: Defaults of recommendations, and the seed of everything.
        backtest_items: Most items that the backtest runs on.
        items: Only these, or ``None`` for all.
        horizon: Published steps, or ``None`` for each frequency's default.
        as_of: Day the run is as of, or ``None``.
        jobs: Worker processes, or ``None`` for one a core.
    """

    results: Path
    models_dir: Path
    reports: Path
    started: datetime
    run_id: str
    policy: PolicySettings = field(default_factory=PolicySettings)
    backtest_items: int = 500
    items: tuple[str, ...] | None = None
    horizon: int | None = None
    as_of: date | None = None
    jobs: int | None = None


def gather(
    prepared: tuple[Prepared, ...],
    items: pa.Table | None,
    inventory: pa.Table | None,
    source: Mapping[str, str],
    *,
    statements: tuple[str, ...] = (),
    quality_flags: tuple[str, ...] = (),
) -> RunInputs:
    """Put panels together.

    Raises:
        DataError: No usable series, or an id stands for two series.
    """
    panels = tuple(one.panel for one in prepared if one.panel is not None and one.panel.items)
    refusals = tuple(refusal for one in prepared for refusal in one.refusals)
    if not panels:
        reasons = first_few([f"{one.item_id}: {one.reason}" for one in refusals])
        raise DataError(f"inputs: no usable series among {len(refusals)}: {reasons or 'no rows'}.")
    ids = [item for panel in panels for item in panel.items] + [one.item_id for one in refusals]
    twice = sorted(item for item, count in Counter(ids).items() if count > 1)
    if twice:
        raise DataError(
            f"inputs: {len(twice)} ids name two series, of demand and prices or of two "
            f"frequencies: {first_few(twice)}. Rename them in one of the files."
        )
    said = (*statements, *(text for one in prepared for text in one.statements))
    return RunInputs(panels, refusals, items, inventory, source, statements=said,
                     quality_flags=quality_flags)  # fmt: skip


def policies_of(panel: Panel, inputs: RunInputs, policy: PolicySettings) -> dict[str, ItemPolicy]:
    """Replenishment parameters of the items of a demand panel; none for prices."""
    if not panel.is_demand:
        return {}
    return resolve_policies(panel.items, inputs.items, inputs.inventory, panel.frequency, policy)


def make_plans(inputs: RunInputs, options: RunOptions) -> tuple[PanelPlan, ...]:
    """One plan for each panel that holds a wanted item.

    Raises:
        ConfigError: ``--items`` names an id that no series has.
    """
    _check_items(inputs, options.items)
    plans = []
    for panel in inputs.panels:
        asked = set(panel.items if options.items is None else options.items)
        wanted = tuple(item for item in panel.items if item in asked)
        if not wanted:
            continue
        policies = policies_of(panel, inputs, options.policy)
        longest = options.policy.max_protection_days / panel.frequency.days
        needed = [
            protection_periods(policies[i], panel.frequency) if policies else 1 for i in panel.items
        ]
        protection = tuple(steps if steps <= longest else 1 for steps in needed)
        plans.append(
            make_plan(panel, wanted=wanted, horizon=options.horizon, protection=protection,
                      backtest_items=options.backtest_items, seed=options.policy.seed)
        )  # fmt: skip
    if not plans:
        reasons = [f"{one.item_id}: {one.reason}" for one in inputs.refusals
                   if options.items is None or one.item_id in options.items]  # fmt: skip
        raise DataError(
            f"--items: none of {len(reasons)} items can be forecast: {first_few(reasons)}. "
            f"Correct the file, or name others."
        )
    return tuple(plans)


def inputs_hash(inputs: RunInputs, dataset_id: str, options: RunOptions) -> str:
    """Name of all that shapes the results of a run, in hexadecimal."""
    tables = [
        table.to_pylist() if table is not None else None
        for table in (inputs.items, inputs.inventory)
    ]
    return fingerprint(
        dataset_id, tables, options.policy, options.backtest_items, options.items,
        options.horizon, str(options.as_of),
    )  # fmt: skip


def _check_items(inputs: RunInputs, items: tuple[str, ...] | None) -> None:
    if items is None:
        return
    known = {item for panel in inputs.panels for item in panel.items}
    known |= {one.item_id for one in inputs.refusals}
    unknown = [item for item in items if item not in known]
    if unknown:
        raise ConfigError(
            f"--items: {len(unknown)} of {len(items)} ids are in no series: "
            f"{first_few(unknown)}. Known are for example {first_few(sorted(known))}."
        )
