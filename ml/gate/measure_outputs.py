"""What is measured of the numbers that would go out; see :mod:`ml.gate.measure_inputs`."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ml.errors import first_few
from ml.gate.facts import (
    WORSE,
    Facts,
    JudgedCase,
    Measurement,
    Offenders,
    PanelFacts,
    factor,
    items_of,
)

WIDE = 0.8  # share of actuals that the interval from q10 to q90 promises
LARGE_CHANGE = 3.0  # an item counts as changed beyond this factor
SLACK_ITEMS, SLACK_SHARE = 10.0, 0.1  # orders that come and go on any day


def incomplete(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Items that lack a step."""
    return _count(case, lambda one: one.incomplete, "lack a step of the horizon")


def crossing(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Items whose quantiles cross."""
    return _count(case, lambda one: one.crossing, "have quantiles that cross")


def negative(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Items of demand that are forecast below zero."""
    return _count(case, lambda one: one.negative, "have a demand below zero")


def _count(
    case: JudgedCase, of: Callable[[PanelFacts], Offenders], words: str
) -> Iterator[Measurement]:
    for one in case.now.panels.values():
        yield Measurement(of(one).count, _named(of(one), one, words))


def _named(offenders: Offenders, panel: PanelFacts, words: str) -> str:
    rest = offenders.count - len(offenders.first)
    names = first_few(offenders.first) + (f" (+{rest} more)" if rest > 0 else "")
    return f"{offenders.count} of {len(panel.items)} items of {panel.kind} {words}: {names}"


def exploding(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Share of items beyond all that was ever observed, but for a single one."""
    for one in case.now.panels.values():
        if one.exploding is not None:
            share = (one.exploding.count > 1) * one.exploding.count / len(one.items)
            words = "are forecast beyond three times their history"
            yield Measurement(share, _named(one.exploding, one, words))


def changed_total(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Factor by which the forecast of all shared items changed, on the same days."""
    for now, before in case.panels():
        days = sorted(now.totals.keys() & before.totals.keys())
        if days:
            sums = _sum_shared(now, before, days), _sum_shared(before, now, days)
            text = (
                f"{now.kind} of {days[0]} to {days[-1]} adds up to {sums[0]:.6g}, in the version "
                f"before to {sums[1]:.6g}"
            )
            yield Measurement(factor(*sums, slack=1.0), text)


def _sum_shared(one: PanelFacts, other: PanelFacts, days: list[str]) -> float:
    """The forecasts of these days, without items that the other panel lacks."""
    alone = sum(one.items[item] for item in one.items.keys() - other.items.keys())
    return sum(one.totals[day] for day in days) - alone * len(days)


def changed_items(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Largest share of a panel, by volume, in items whose forecast changed by a large factor."""
    for now, before in case.panels():
        weights = {item: max(abs(now.items[item]), abs(before.items[item]))
                   for item in now.items.keys() & before.items.keys()}  # fmt: skip
        changed = {item: weight for item, weight in weights.items()
                   if factor(now.items[item], before.items[item]) > LARGE_CHANGE}  # fmt: skip
        volume = sum(weights.values())
        if volume > 0:
            names = sorted(changed, key=lambda item: -changed[item])
            text = f"{len(changed)} items of {now.kind} changed more than threefold"
            text += f": {first_few(names)}"
            # The largest one may do as it likes, where it is alone.
            yield Measurement((len(changed) > 1) * sum(changed.values()) / volume, text)


def fallbacks(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Largest share of a panel's items that not every model could forecast."""
    for name, one in case.now.panels.items():
        before = case.base.panels.get(name) if case.base else None
        usual = before.fallbacks.count / len(before.items) * WORSE if before else 0.0
        text = _named(one.fallbacks, one, "are not of all models")
        yield Measurement(one.fallbacks.count / len(one.items), text, max(limit, usual))


def refused(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Largest share of a kind's items that could not be forecast."""

    def shares(facts: Facts | None) -> dict[str, tuple[int, int]]:
        counts = facts.refusals if facts else {}
        return {kind: (counts.get(kind, 0), counts.get(kind, 0) + len(items))
                for kind, items in items_of(facts).items()}  # fmt: skip

    before = shares(case.base)
    for kind, (count, of) in shares(case.now).items():
        usual = WORSE * np.divide(*before.get(kind, (0, 1)))
        text = f"{count} of {of} items of {kind} have no forecast"
        yield Measurement(count / of, text, max(limit, usual))


def bias(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Factor between what the backtest forecast and what came true, too much or too little."""
    words = "the backtest's bias is {:+.0%}"
    return _backtest(case, limit, lambda facts: facts.bias, lambda one: factor(1 + one, 1), words)


def narrow(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """What the backtest's coverage lacks of the promised 80 %."""
    words = "{:.0%} of the backtest's actuals lie in the 80 % interval"
    return _backtest(case, limit, lambda facts: facts.coverage, lambda one: WIDE - one, words)


def _backtest(
    case: JudgedCase,
    limit: float,
    of: Callable[[Facts], Mapping[str, float | None]],
    size: Callable[[float], float],
    words: str,
) -> Iterator[Measurement]:
    for kind, value in of(case.now).items():
        before = of(case.base).get(kind) if case.base else None
        if value is not None:
            most = limit if before is None else max(limit, WORSE * size(before))
            yield Measurement(size(value), f"{kind}: {words.format(value)}", most)


def changed_orders(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Factor by which the number of orders changed, some of them aside."""
    now, before = case.now.orders, case.base and case.base.orders
    if not now or not before:
        return
    slack = max(SLACK_ITEMS, SLACK_SHARE * now.items)
    text = f"{now.count} orders where the version before has {before.count}"
    yield Measurement(factor(now.count, before.count, slack=slack), text)


def changed_value(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Factor by which the value of all orders changed, that of some of them aside."""
    now, before = case.now.orders, case.base and case.base.orders
    if not now or not before or not before.count:
        return
    slack = max(SLACK_ITEMS, SLACK_SHARE * now.items) / before.count
    for name, value in before.value.items():
        if value > 0:
            worth = now.value.get(name, 0.0)
            text = f"orders worth {worth:.6g} {name}, in the version before {value:.6g}"
            yield Measurement(factor(worth, value, slack=slack * value), text)
