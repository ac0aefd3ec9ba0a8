"""What was: each series as it was recorded, what was said of it, and how right that was."""

from ml.contracts.base import Column, Contract, count, day, flag, number, text
from ml.contracts.demand import DS, FREQUENCY, ITEM_ID
from ml.contracts.forecasts import AS_OF, CUMULATIVE_QUANTILES, KIND, quantile_name

SPANS = {
    "period": "the period ds alone",
    "protection": "all periods after as_of up to ds: the protection interval, in whole periods",
}
_UNIT = text("unit", "unit of the values", nullable=True)
_SOURCE = text("source", "synthetic_sample, user_files or the APIs")
_SPAN = text("span", "what was forecast", SPANS)
_CLASS = text("demand_class", "class of the history when it was said; price for prices")


def _value(name: str, description: str) -> Column:
    return number(name, "see unit", description)


def _quantiles(prefix: str, whose: str) -> tuple[Column, ...]:
    names = {f"{prefix}{quantile_name(level)}": level for level in CUMULATIVE_QUANTILES}
    return tuple(_value(name, f"{level:.0%} quantile{whose}") for name, level in names.items())


def _ties() -> tuple[Column, ...]:
    return tuple(
        flag(f"tie_{quantile_name(level)}", f"whether y = {quantile_name(level)} counts as below "
             "it: drawn when it was said, as often as makes the level exact", nullable=True)
        for level in CUMULATIVE_QUANTILES
    )  # fmt: skip


HISTORY = Contract(
    "history",
    key=("item_id", "ds"),
    columns=(
        *(ITEM_ID, DS, FREQUENCY, KIND, _UNIT),
        _value("y", "as recorded; null = not observed"),
        flag("is_stockout", "stock ran out in the period: demand was at least y"),
        number("stockout_share", "1", "share of the period's days and sites without stock", 0.0,
               1.0, nullable=False),
        _value("y_used", "what models learn from: y, or what demand is taken for where stock ran "
               "out"),
        _SOURCE,
    ),
)  # fmt: skip

PAST_FORECASTS = Contract(
    "past_forecasts",
    key=("item_id", "ds", "span", "lag", "known_at"),
    columns=(
        ITEM_ID,
        day("ds", "start of the period that was forecast; of an interval its last one"),
        _SPAN,
        count("lag", "periods", "from as_of to ds", 1),
        day("known_at", "day on which y was known so; while it is not known, on which the row was "
            "said"),
        *(FREQUENCY, KIND, _UNIT, AS_OF),
        text("version_id", "version that said it"),
        _value("y", "what came true, of an interval its sum; null = not known, or not observed"),
        flag("is_stockout", "stock ran out meanwhile: demand was at least y", nullable=True),
        _value("forecast", "mean"),
        *_quantiles("", ""),
        *_ties(),
        number("scale", "see unit", "root mean square of demand, or of changes of a price, until "
               "as_of; scores are over it", 0.0),
        number("stock_level", "units", "order_up_to that was recommended; null but for intervals",
               0.0),
        number("service_target", "1", "chance wanted that the interval's demand stays below it; "
               "null where the target is none", 0.0, 1.0),
        text("model_used", "model that said it"),
        _CLASS,
        text("reference", "best reference of the class in the backtest then, of those that were "
             "run; null = none was", nullable=True),
        *_quantiles("reference_", " of the reference"),
        _SOURCE,
    ),
    volatile=("version_id",),
)  # fmt: skip


def _score(name: str, description: str, upper: float = float("inf")) -> Column:
    return number(name, "1", description, 0.0, upper)


SCORES = Contract(
    "scores",
    key=("kind", "frequency", "item_id", "demand_class", "span", "lag", "ds", "known_at"),
    columns=(
        *(KIND, FREQUENCY),
        text("item_id", "item; null = all items of the class", nullable=True),
        text("demand_class", "class when it was said; null = all, and of rows of an item",
             nullable=True),
        _SPAN,
        count("lag", "periods", "periods ahead; null = each item's own protection interval", 1,
              nullable=True),
        day("ds", "period that was forecast; null = all of the last 13 months", nullable=True),
        day("known_at", "day on which this was known so"),
        count("n_obs", "1", "forecasts that came true and are scored"),
        count("n_left_out", "1", "forecasts that are not, because stock ran out or nothing was "
              "observed"),
        _score("pinball", "mean pinball loss of the quantiles .1, .5, .8, .9, .95, .99 over scale; "
               "of intervals over the root of their periods, too"),
        _score("interval_score", "of q10 and q90, scaled likewise: interval_width + "
               "interval_below + interval_above"),
        _score("interval_width", "its part of width: q90 - q10"),
        _score("interval_below", "its part of what came below q10: ten times how far"),
        _score("interval_above", "its part of what came above q90: ten times how far"),
        *(_score(f"coverage_{name}", f"share that came below q{name}, ties as drawn", 1.0)
          for name in ("80", "90", "95", "99")),
        _score("coverage_80_interval", "share that came between q10 and q90, ties as drawn", 1.0),
        number("bias", "1", "sum of (mean - y) over sum of abs(y); above 0 = too much was said"),
        count("n_service", "1", "intervals with a stock_level"),
        _score("service_achieved", "share of them whose demand stayed within it", 1.0),
        _score("service_target", "mean service_target of those that have one", 1.0),
        count("n_reference", "1", "scored forecasts that have a reference"),
        _score("reference_pinball", "pinball of the best reference, of these"),
        number("value_added", "1", "share of it that is saved: 1 - pinball / reference_pinball, "
               "of these", upper=1.0),
        _SOURCE,
    ),
)  # fmt: skip
