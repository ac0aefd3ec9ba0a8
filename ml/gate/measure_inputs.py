"""What is measured of source, shape and input: one function a rule.

Each is given a case and its rule's limit, and yields a finding for whatever it looks at, nothing
where nothing can be said. The worst one counts; its number is better the smaller it is.
"""

from collections.abc import Iterator
from datetime import date

import numpy as np

from ml.errors import first_few
from ml.frequency import Frequency, period_end, periods_after
from ml.gate.facts import WORSE, Facts, JudgedCase, Measurement, factor, items_of

AGES = {"D": 35, "B": 35, "W": 42, "MS": 75}
"""Days that data may be old: a monthly export, with some days to spare, and a missed one."""
GROWTH = 0.25  # share by which ids that match nowhere may grow
SLACK_UNITS = 10.0  # that come and go where there is hardly any stock


def made_up(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Kinds of panels whose data are synthetic, unless that is allowed."""
    if case.now.sources is None:
        return
    kinds = () if case.allow_synthetic else case.now.made_up
    yield Measurement(len(kinds), f"made-up data: {', '.join(kinds)}")


def made_up_after_real(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Made-up data after a version that is not, or not known to be."""
    if case.now.sources is None or not case.follows:
        return
    real = case.before is None or not case.before.made_up
    bad = bool(case.now.made_up) and real
    version = case.before.version_id if case.before else "the version before"
    yield Measurement(bad, f"made-up data would follow {version}, which is real")


def lost_panels(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Kinds that are forecast no more."""
    if case.base is None or not case.base.panels:
        return
    had, have = ({one.kind for one in facts.panels.values()} for facts in (case.base, case.now))
    lost = sorted(had - have)
    yield Measurement(
        len(lost), f"no forecast of {' and '.join(lost)}, which the version before has"
    )


def lost_frequencies(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Panels whose kind is still forecast, but at other frequencies."""
    if case.base is None or not case.base.panels:
        return
    kinds = {one.kind for one in case.now.panels.values()}
    gone = case.base.panels.keys() - case.now.panels.keys()
    lost = sorted(name for name in gone if case.base.panels[name].kind in kinds)
    yield Measurement(len(lost), f"{', '.join(lost)} became {', '.join(sorted(case.now.panels))}")


def lost_items(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Largest share of a kind's items that are forecast no more, beyond a single one."""
    for kind, before in items_of(case.base).items():
        now = items_of(case.now).get(kind)
        if now is None:
            continue
        lost = sorted(before - now)
        text = f"{len(lost)} of {len(before)} items of {kind} are forecast no more: "
        yield Measurement((len(lost) > 1) * len(lost) / len(before), text + first_few(lost))


def changed_rows(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Factor by which the number of forecast rows changed, more or fewer."""
    for now, before in case.panels():
        text = f"{now.rows} rows of {now.kind} where the version before has {before.rows}"
        yield Measurement(factor(now.rows, before.rows), text)


def lost_steps(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Steps by which the horizon is shorter."""
    for now, before in case.panels():
        text = f"{now.kind} is forecast for {now.horizon} periods, not for {before.horizon}"
        yield Measurement(before.horizon - now.horizon, text)


def days_back(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Days by which a panel is as of an earlier day."""
    for now, before in case.panels():
        days = (np.datetime64(before.as_of) - np.datetime64(now.as_of)).astype(int)
        text = f"{now.kind} is as of {now.as_of}, the version before of {before.as_of}"
        yield Measurement(float(days), text)


def wrong_days(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Days that are forecast and not due, or due and not forecast."""
    for name, one in case.now.panels.items():
        due = periods_after(np.datetime64(one.as_of), one.horizon, Frequency(one.frequency))
        wrong = sorted(one.totals.keys() ^ {str(day) for day in due})
        yield Measurement(len(wrong), f"{name}: {first_few(wrong)} do not follow {one.as_of}")


def lost_tables(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Tables beside demand and prices that were read before and are not there now."""
    if case.base is None or case.base.tables is None or case.now.tables is None:
        return
    lost = [one for one in ("items", "inventory")
            if one in case.base.tables and one not in case.now.tables]  # fmt: skip
    yield Measurement(len(lost), f"no table of {' and '.join(lost)}, which the version before had")


def set_aside(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Largest share of a table's rows that were quarantined."""
    before = dict(_set_aside(case.base))
    for name, share in _set_aside(case.now):
        most = max(limit, WORSE * before.get(name, 0.0))
        yield Measurement(share, f"{share:.0%} of the rows of {name} were set aside", most)


def _set_aside(facts: Facts | None) -> Iterator[tuple[str, float]]:
    for name, one in ((facts and facts.tables) or {}).items():
        if one.lines and one.set_aside is not None:
            yield name, one.set_aside / one.lines


def lacking_items(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Share of the demand's ids that the item file lacks."""
    return _lacking(case, "items", limit)


def lacking_stock(case: JudgedCase, limit: float) -> Iterator[Measurement]:
    """Share of the demand's ids that the stock file lacks."""
    return _lacking(case, "inventory", limit)


def _lacking(case: JudgedCase, table: str, limit: float) -> Iterator[Measurement]:
    now, before = (_share_lacking(facts, table) for facts in (case.now, case.base))
    if now is None:
        return
    if before is not None:
        limit = max(min(limit, before[0] + GROWTH), before[0])
    yield Measurement(*now, limit)


def _share_lacking(facts: Facts | None, table: str) -> tuple[float, str] | None:
    one = ((facts and facts.tables) or {}).get(table)
    if one is None or not one.demanded or one.lacking is None:
        return None
    text = f"{one.lacking} of {one.demanded} ids of demand are not in {table}"
    return one.lacking / one.demanded, text


def demand_age(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Days since the last period of demand, over what its frequency allows."""
    return _age(case, "demand")


def price_age(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """The same of prices."""
    return _age(case, "price")


def _age(case: JudgedCase, kind: str) -> Iterator[Measurement]:
    for one in case.now.panels.values():
        if one.kind == kind and kind not in case.now.made_up:
            end = period_end(np.datetime64(one.as_of), Frequency(one.frequency))
            days = _days_since(str(end), case.today)
            text = f"{one.kind} ends on {end}, {days} days before {case.today}"
            yield Measurement(days, text, AGES[one.frequency])


def stock_age(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Days since stock was counted last."""
    stock = (case.now.tables or {}).get("inventory")
    if stock is None or stock.last is None or "demand" in case.now.made_up:
        return
    days = _days_since(stock.last, case.today)
    yield Measurement(days, f"stock was counted on {stock.last}, {days} days before {case.today}")


def _days_since(day: str, today: date) -> int:
    return (today - date.fromisoformat(day)).days


def changed_stock(case: JudgedCase, _: float) -> Iterator[Measurement]:
    """Factor by which all stock on hand changed."""
    now, before = (((one and one.tables) or {}).get("inventory") for one in (case.now, case.base))
    if now is None or before is None or now.total is None or before.total is None:
        return
    text = f"{now.total:g} units in stock where the version before has {before.total:g}"
    yield Measurement(factor(now.total, before.total, slack=SLACK_UNITS), text)
