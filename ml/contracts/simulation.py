"""What stock by the backtest's forecasts would have come to, beside rules: two published tables."""

from functools import partial

from ml.contracts.base import Column, Contract, count, number, text
from ml.contracts.demand import FREQUENCY
from ml.contracts.forecasts import AS_OF

_share = partial(number, lower=0.0, upper=1.0)
INTERVAL = "95 % interval, by bootstrap over items and origins"


def _with_ends(name: str, unit: str, description: str, upper: float = float("inf")) -> list[Column]:
    """A number and the ends of its interval."""
    return [
        number(name, unit, description, 0.0, upper),
        number(f"{name}_low", unit, f"lower end of its {INTERVAL}", 0.0, upper),
        number(f"{name}_high", unit, "upper end", 0.0, upper),
    ]


_METHOD = text("method", "ensemble, a component model, common_fill, mean_sigma, mean_sigma_fresh, "
               "usage_days or perfect")  # fmt: skip
_VALUE_UNIT = text("value_unit", "currency of stock_value, 'money' where none is told; 'units' "
                   "where not all costs are known in one: each unit counts one")  # fmt: skip
_N_ITEMS = count("n_items", "items", "items simulated", 1)

SIMULATION = Contract(
    "simulation",
    key=("method", "demand_class", "level"),
    columns=(
        _METHOD,
        text("demand_class", "class as at the newest origin; * of all items"),
        number("level", "1", "service target that the method was asked for; of common_fill the "
               "fill of all items, of usage_days its safety time over the protection interval",
               0.0, nullable=False),
        *(FREQUENCY, AS_OF, _N_ITEMS),
        count("n_origins", "1", "origins whose levels were held", 1),
        number("protection_periods", "periods", "mean length of the protection interval, review "
               "and lead time in whole periods", 0.0, nullable=False),
        count("n_periods", "1", "periods of items that were counted"),
        count("n_left_out", "1", "periods of items that were not, because stock had run out or "
              "nothing was observed"),
        count("n_cycles", "1", "cycles that were counted"),
        count("n_demand_cycles", "1", "those with demand"),
        count("n_lines", "1", "periods with demand"),
        number("units_asked", "units", "units asked for", 0.0, nullable=False),
        _share("promised_service", "1", "mean P(D <= S) by the method's own forecast; null of "
               "rules"),
        *_with_ends("cycle_service", "1", "share of cycles without shortage", 1.0),
        *_with_ends("demand_cycle_service", "1", "share of cycles with demand without shortage",
                    1.0),
        *_with_ends("unit_fill", "1", "share of units served at once", 1.0),
        *_with_ends("line_fill", "1", "share of periods with demand that were served at once and "
                    "whole", 1.0),
        number("stock_units", "units", "mean stock of all items together at period ends", 0.0),
        *_with_ends("stock_value", "see value_unit", "value of that stock"),
        _VALUE_UNIT,
        number("owed_units", "units", "mean units owed at period ends; where sales are lost, units "
               "lost a period", 0.0),
        _share("tau_calibrated", "1", "nominal target that recommendations take for the level: "
               "raised where older origins had fallen short of it by the newest; null of one "
               "origin, and but for the ensemble"),
        number("newest_cycles", "1", "cycles of the newest origin", 0.0),
        _share("newest_service", "1", "cycle service at the newest origin, at the level itself"),
        _share("calibrated_service", "1", "the same at tau_calibrated"),
    ),
)  # fmt: skip

MEASURES_OF_SERVICE = {
    "unit_fill": "share of units served at once",
    "cycle_service": "share of cycles without shortage",
    "demand_cycle_service": "share of cycles with demand without shortage",
    "line_fill": "share of periods with demand that were served at once and whole",
}
FIXED = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
OF_RULE = (0.8, 0.9, 0.95, 0.99)
ANCHORS = {
    **{f"service_{level * 100:.0f}": f"a service of {level:g}" for level in FIXED},
    **{f"rule_{level * 100:.0f}": f"what mean_sigma reaches with its {level:g}"
       for level in OF_RULE},
}  # fmt: skip

PORTFOLIO_CURVES = Contract(
    "portfolio_curves",
    key=("method", "measure", "anchor"),
    columns=(
        _METHOD,
        text("measure", "what is held equal", MEASURES_OF_SERVICE),
        text("anchor", "at how much of it", ANCHORS),
        *(FREQUENCY, AS_OF, _N_ITEMS),
        _share("service", "1", "value of the measure"),
        *_with_ends("stock_value", "see value_unit", "stock of all items together that reaches it; "
                    "null where the method's levels do not"),
        _VALUE_UNIT,
        number("rule_stock_value", "see value_unit", "the same of mean_sigma", 0.0),
        *_with_ends("ratio", "1", "stock_value over rule_stock_value; below 1 = less stock"),
    ),
)  # fmt: skip
