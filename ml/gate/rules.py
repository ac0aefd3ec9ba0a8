"""The rules of the gate as data: what is measured, the limit and its reason, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.errors import ConfigError, first_few
from ml.gate import measure_inputs, measure_outputs
from ml.gate.facts import Measure


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: closed where what is measured exceeds the limit."""

    name: str  # what `--accept` calls it
    group: str  # what it looks at: source, shape, input or output
    measure: Measure  # what is compared with the limit
    limit: float  # in the unit
    unit: str  # of value and limit
    reason: str  # why this limit
    remedy: str  # what to do, where it is closed
    acceptable: bool = True  # whether a person can pass it by its name


RULES = (
    Rule("synthetic", "source", measure_inputs.made_up, 0, "kinds",
         "readers cannot tell made-up numbers from real ones",
         "Put your files into DATA_DIR/raw/user; for a rehearsal say --allow-synthetic",
         acceptable=False),
    Rule("synthetic_after_real", "source", measure_inputs.made_up_after_real, 0, "versions",
         "a rehearsal has no place where real numbers are read",
         "Publish rehearsals to a store of their own", acceptable=False),
    Rule("panels", "shape", measure_inputs.lost_panels, 0, "kinds",
         "a file that is lost takes all forecasts of its kind along",
         "Bring its file back and run again"),
    Rule("frequency", "shape", measure_inputs.lost_frequencies, 0, "panels",
         "a few odd dates can turn days into months",
         "Look at the dates in the file, or say --frequency"),
    Rule("items", "shape", measure_inputs.lost_items, 0.1, "share of items",
         "catalogues lose a few items at a time; a cut file loses many. A single item may go",
         "Look whether the file is whole and the ids are written as before"),
    Rule("rows", "shape", measure_inputs.changed_rows, 1.5, "factor",
         "catalogues grow slowly; garbled ids double them",
         "Look at the ids in the file"),
    Rule("horizon", "shape", measure_inputs.lost_steps, 0, "periods",
         "readers count on the periods that they had",
         "Run without --horizon, or with the one before"),
    Rule("as_of", "shape", measure_inputs.days_back, 0, "days",
         "a file older than the one before takes back what was known",
         "Bring the newer file, or say --force if the older one is to be the newest"),
    Rule("calendar", "shape", measure_inputs.wrong_days, 0, "days",
         "forecasts begin right after the last period, and leave none out",
         "This is a fault of the program: keep the version and report it"),
    Rule("tables", "input", measure_inputs.lost_tables, 0, "tables",
         "without stock there are no orders, without items no lead times",
         "Bring the file back and run again"),
    Rule("quarantine", "input", measure_inputs.set_aside, 0.05, "share of rows",
         "slips of a hand are a few in a thousand; a column misread spoils most. Up to "
         "a quarter more than in the version before passes",
         "Look at DATA_DIR/quarantine"),
    Rule("ids_of_items", "input", measure_inputs.lacking_items, 0.99, "share of ids",
         "ids that match nowhere are written in two ways, as 00123 and 123. Nor may it grow "
         "by more than 25 points",
         "Write the ids alike in both files"),
    Rule("ids_of_stock", "input", measure_inputs.lacking_stock, 0.99, "share of ids",
         "the same of stock, without which nothing is ordered",
         "Write the ids alike in both files"),
    Rule("demand_age", "input", measure_inputs.demand_age, measure_inputs.AGES["D"], "days",
         "a monthly export is never older; 42 days for weeks, 75 for months",
         "Bring newer data, and look why none came"),
    Rule("price_age", "input", measure_inputs.price_age, measure_inputs.AGES["B"], "days",
         "the same of prices",
         "Bring newer data, and look why none came"),
    Rule("stock_age", "input", measure_inputs.stock_age, 35, "days",
         "orders for a stock of more than a month ago are orders for another stock",
         "Count again, or bring the newest file"),
    Rule("stock", "input", measure_inputs.changed_stock, 3.0, "factor",
         "all stock together does not treble overnight; another unit does that",
         "Look at the units in the file of stock"),
    Rule("complete", "output", measure_outputs.incomplete, 0, "items",
         "every item has all steps, or is refused",
         "This is a fault of the program: keep the version and report it"),
    Rule("order", "output", measure_outputs.crossing, 0, "items",
         "a higher quantile is never below a lower one",
         "This is a fault of the program: keep the version and report it"),
    Rule("negative", "output", measure_outputs.negative, 0, "items",
         "demand is never below zero",
         "This is a fault of the program: keep the version and report it"),
    Rule("exploding", "output", measure_outputs.exploding, 0.01, "share of items",
         "a mean above three times all that was ever observed is no forecast. A single item may "
         "do so",
         "Look at these items' last rows"),
    Rule("change", "output", measure_outputs.changed_total, 2.0, "factor",
         "one more night of data moves the sum of all items by a few per cent",
         "Compare the newest rows of the file with the ones before"),
    Rule("change_of_items", "output", measure_outputs.changed_items, 0.25, "share of volume",
         "single items change with their last rows; many change together when a column or unit "
         "does. A single item may do so",
         "Compare the newest rows of these items with the ones before"),
    Rule("fallbacks", "output", measure_outputs.fallbacks, 0.25, "share of items",
         "models fail on odd series, not on a quarter of them. Up to a quarter more than in the "
         "version before passes",
         "Look at fallback_reason in forecasts"),
    Rule("refusals", "output", measure_outputs.refused, 0.25, "share of items",
         "the same of items that have no forecast at all",
         "Look at reason in refusals"),
    Rule("bias", "output", measure_outputs.bias, 5.0, "factor",
         "a few months of rare demand may be missed by half; a fifth or fivefold of all that "
         "came is another series. Up to a quarter more than in the version before passes",
         "Look at reports/results/leaderboard.csv"),
    Rule("coverage", "output", measure_outputs.narrow, 0.3, "points below 80 %",
         "intervals that hold less than half of what came true promise what they do not keep",
         "Look at reports/results/leaderboard.csv"),
    Rule("orders", "output", measure_outputs.changed_orders, 5.0, "factor",
         "orders come and go, ten or a tenth of the items on any day; beyond that a file changed",
         "Look at stock and lead times"),
    Rule("order_value", "output", measure_outputs.changed_value, 5.0, "factor",
         "the same of their value, by currency",
         "Look at unit_cost and at the largest orders"),
)  # fmt: skip
"""All rules, in the order in which they are told."""


def check_names(accepted: Sequence[str]) -> tuple[str, ...]:
    """The names of ``--accept``, each once.

    Raises:
        ConfigError: There is no such rule, or it is one that nobody can accept.
    """
    known = {rule.name: rule for rule in RULES}
    if unknown := [name for name in accepted if name not in known]:
        raise ConfigError(
            f"--accept: there is no rule {first_few(unknown)}. Choose from: "
            f"{', '.join(name for name, rule in known.items() if rule.acceptable)}."
        )
    for name in accepted:
        if not known[name].acceptable:
            raise ConfigError(f"--accept {name}: nobody can. {known[name].remedy}.")
    return tuple(dict.fromkeys(accepted))
