"""What is said of one item's forecast: the facts, and the words and tables made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.mixture_score import PANEL
from ml.evaluation.demand_class import ADI_CUT, CV2_CUT, DemandPattern
from ml.frequency import Days, Frequency
from ml.panel import Floats
from ml.reporting.metrics import leaderboard

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"  # not observed
SHOWN = 60  # periods of a sparkline
LABEL = 11  # width of the first column
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """What the models saw of an item, from its first observation on."""

    periods: Days  # (T,) starts
    values: Floats  # (T,) NaN = not observed
    pattern: DemandPattern | None  # class and what it is made of; `None` for prices
    same: bool  # whether the run saw as many periods, and the same last one


@dataclass(frozen=True, slots=True)
class ItemBacktest:
    """Scores of one item in the backtest, less is better; null where a model failed."""

    origins: tuple[str, ...]  # ISO days, latest first
    demand_class: str  # at the latest origin
    protection: int  # periods of the first sum
    periods: Mapping[str, float | None]  # scaled CRPS of single periods by model
    sums: Mapping[str, float | None]  # of demand over the protection interval; null for prices


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """All that is known of an item's forecast."""

    item: str  # its id
    panel: str  # name of its panel
    version: str  # version that holds the forecast
    first: Row  # first row of the forecast
    history: ItemHistory | str  # what the models saw, or why it cannot be shown
    ensemble: FittedEnsemble  # how the models of the panel are combined
    shares: Mapping[str, float]  # share of each model in this item's forecast
    failures: Mapping[str, str]  # reasons of the models that failed on it
    # models that have no share of it and no forecast: they were not run for it, or refused it
    idle: tuple[str, ...]
    backtest: ItemBacktest | None  # its backtest, `None` if it was not in the sample
    tried: int  # items of that sample
    metrics: Sequence[Row]  # METRICS rows of the panel

    @property
    def demand_class(self) -> str:
        """Class by the history, else as the backtest found it; ``price`` for prices."""
        if self.first["kind"] != "demand":
            return "price"
        if isinstance(self.history, ItemHistory) and self.history.pattern is not None:
            return self.history.pattern.name
        return self.backtest.demand_class if self.backtest else ""

    @property
    def metrics_class(self) -> str | None:
        """The class in the metrics table; ``None`` = the panel."""
        return None if self.demand_class in ("price", "") else self.demand_class


def explain_forecast(facts: ItemFacts) -> str:
    """The whole text, one labelled paragraph a question."""
    paragraphs = {
        "item": _describe_item(facts),
        "history": _describe_history(facts),
        "class": _describe_class(facts),
        "made by": _describe_models(facts),
        "weights": _describe_weights(facts),
        "intervals": _describe_intervals(facts),
        "backtest": _tabulate_backtest(facts),
        "drivers": _describe_drivers(facts),
    }
    return "\n".join(
        f"{label if number == 0 else '':<{LABEL}}{line}".rstrip()
        for label, lines in paragraphs.items()
        for number, line in enumerate(lines)
    )


def draw_sparkline(values: Sequence[float] | Floats) -> str:
    """The newest values as bars from zero, or from the least where that is far off.

    >>> draw_sparkline([0.0, 1.0, float("nan"), 7.0])
    '▁▂·█'
    """
    shown = np.asarray(values, np.float64)[-SHOWN:]
    seen = shown[~np.isnan(shown)]
    if not len(seen):
        return GAP * len(shown)
    low, high = float(seen.min()), float(seen.max())
    if 0 <= low < high / 2:
        low = 0.0
    spread = (high - low) or 1.0
    steps = np.ceil((shown - low) / spread * (len(BARS) - 1))  # anything above zero is seen
    return "".join(GAP if np.isnan(step) else BARS[int(step)] for step in steps)


def _describe_item(facts: ItemFacts) -> list[str]:
    first = facts.first
    unit = f", {first['unit']}" if first["unit"] else ""
    kind = f"{Frequency(first['frequency']).word} {first['kind']}"
    return [
        f"{facts.item}: {kind}{unit}, panel {facts.panel}",
        f"version {facts.version}, as of {first['as_of']:%Y-%m-%d}, dataset {first['dataset_id']}",
    ]


def _describe_history(facts: ItemFacts) -> list[str]:
    first, history = facts.first, facts.history
    seen = f"{first['n_train']} observed periods, the last on {first['train_end']:%Y-%m-%d}"
    if isinstance(history, str):
        return [seen, history]
    observed = ~np.isnan(history.values)
    values, last = history.values[observed], history.periods[observed][-1]
    count = f"{len(values)} of {len(history.values)} periods observed"
    lines = [f"{count}, {history.periods[0]} to {last}"]
    if not history.same:
        lines.append(f"the tables have changed since: the run saw {seen}")
    if history.pattern is not None:
        zeros = int((values == 0).sum())
        last_demand = "never any"
        if len(asked := np.flatnonzero(np.nan_to_num(history.values) > 0)):
            ago = len(history.values) - 1 - int(asked[-1])
            when = f"{ago} period{'s' * (ago != 1)} before the end" if ago else "in the last period"
            day = history.periods[asked[-1]]
            last_demand = f"last demand {history.values[asked[-1]]:g} on {day}, {when}"
        share = f"{zeros} of them without demand ({zeros / len(values):.0%})"
        lines.append(f"{share}; {last_demand}")
    lines.append(f"{draw_sparkline(history.values)}  {values.min():g} to {values.max():g}")
    return lines


def _describe_class(facts: ItemFacts) -> list[str]:
    name = facts.demand_class
    if name == "price":
        return ["prices form one class"]
    if isinstance(facts.history, str) or facts.history.pattern is None:
        return [f"{name}, when it was tried" if name else "not known without the history"]
    pattern = facts.history.pattern
    adi = "none" if pattern.adi is None else f"{pattern.adi:.2f} (cut {ADI_CUT})"
    cv2 = "none" if pattern.cv2 is None else f"{pattern.cv2:.2f} (cut {CV2_CUT})"
    return [f"{name}: periods per demand (ADI) {adi}, variation of sizes (CV²) {cv2}"]


def _describe_models(facts: ItemFacts) -> list[str]:
    first = facts.first
    lines = [f"{first['model_used']}: {_list_shares(facts.shares)}"]
    if first["is_fallback"]:
        lines.append(f"fell back: {first['fallback_reason']}")
    lines += [f"{model} failed: {reason}" for model, reason in sorted(facts.failures.items())]
    lines += [] if len(lines) > 1 else ["nothing fell back"]
    if facts.idle:
        idle = ", ".join(facts.idle)
        lines.append(
            f"no share and no forecast of it (refused, or not run for that reason): {idle}"
        )
    return lines


def _describe_weights(facts: ItemFacts) -> list[str]:
    weights, name = facts.ensemble.weights, facts.demand_class
    if not weights:
        return ["none are saved"]
    panel = f"of the whole panel: {_list_shares(weights.get(PANEL, {}))}"
    if name in weights:
        return [f"of class {name}: {_list_shares(weights[name])}", panel]
    return [panel, f"class {name} has none of its own"] if facts.metrics_class else [panel]


def _describe_intervals(facts: ItemFacts) -> list[str]:
    """How far they were stretched."""
    spreads, name = facts.ensemble.spreads, facts.demand_class
    if not spreads or facts.first["model_used"] != ENSEMBLE:
        return ["as the models gave them"]
    of = f"class {name}" if name in spreads else "the whole panel"
    parts = zip(("near", "middle", "far"), spreads.get(name, spreads[PANEL]), strict=True)
    steps = ", ".join(f"{part} {value:.2f}" for part, value in parts)
    sums = facts.ensemble.sum_spreads
    total = sums.get(name or PANEL, sums.get(PANEL, 1.0))
    steps += f", sums over the protection interval {total:.2f}"
    return [f"stretched by what {of} covered at origins: steps {steps} (1 = left alone)"]


def _list_shares(shares: Mapping[str, float]) -> str:
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{model} {share:.0%}" for model, share in ordered if share > 0) or "no model"


def _tabulate_backtest(facts: ItemFacts) -> list[str]:
    """Scores of the item; of its class, or the panel, where it was not tried itself."""
    backtest = facts.backtest
    if backtest is None:
        lines = [f"not among the {facts.tried} items tried" if facts.tried else "there was none"]
        name = facts.metrics_class
        scores = {one["model"]: one["scaled_crps"] for one in leaderboard(facts.metrics)
                  if one["demand_class"] == (name or "all")}  # fmt: skip
        if scores:
            of = f"class {name}" if name else "the panel"
            lines.append(f"scaled CRPS of {of} instead, less is better")
        for model, own in sorted(scores.items(), key=_least_first):
            lines.append(f"{model:<16}{_format_score(own):>9}")
        return lines
    origins = f"{len(backtest.origins)} origins ({', '.join(backtest.origins)})"
    sums = f"sums of {backtest.protection}" if any(backtest.sums.values()) else ""
    lines = [
        f"scaled CRPS of the item at {origins}, less is better",
        f"{'model':<16}{'periods':>9}{sums:>14}",
    ]
    for model, own in sorted(backtest.periods.items(), key=_least_first):
        total = _format_score(backtest.sums[model]) if sums else ""
        mark = "  <- published" if model == ENSEMBLE else ""
        lines.append(f"{model:<16}{_format_score(own):>9}{total:>14}{mark}")
    return lines


def _describe_drivers(facts: ItemFacts) -> list[str]:
    """Groups that the class uses, and effects whose 90 % interval leaves zero out."""
    name = facts.metrics_class
    rows = [row for row in facts.metrics if row["model"].startswith("driver")]
    if not rows:
        return ["none are used"]
    groups: dict[bool, list[str]] = {True: [], False: []}
    effects: dict[str, dict[str, float]] = {}
    for row in rows:
        driver = row["model"].partition(":")[2]
        if row["demand_class"] != name or row["value"] is None:
            continue
        if row["metric"] == "driver_used":
            groups[bool(row["value"])].append(driver)
        elif row["metric"].startswith("driver_effect"):
            effects.setdefault(driver, {})[row["metric"]] = row["value"]
    whose = f"class {name}" if name else "the panel"
    used, left = (", ".join(sorted(groups[key])) or "none" for key in (True, False))
    lines = [f"used by {whose}: {used}; left out: {left}"]
    for driver, found in sorted(effects.items()) if groups[True] else ():
        low, high = found.get("driver_effect_low", 0.0), found.get("driver_effect_high", 0.0)
        if low > 0 or high < 0:
            effect = f"{found.get('driver_effect', 0.0):+.2f} ({low:+.2f} to {high:+.2f})"
            lines.append(f"{driver}: {effect} on the log of the rate a standard deviation")
    return lines


def _format_score(value: float | None) -> str:
    return "failed" if value is None else f"{value:.3f}"


def _least_first(score: tuple[str, float | None]) -> tuple[float, str]:
    """Sorts scores by model, failures last."""
    model, value = score
    return (float("inf") if value is None else value), model
