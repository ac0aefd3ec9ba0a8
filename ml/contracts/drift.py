"""What a night finds changed: in demand, outside data, forecasts in life, and in history."""

from ml.contracts.base import Contract, count, day, flag, number, text
from ml.contracts.forecasts import AS_OF

SUBJECTS = {
    "item": "one item's demand, or one price",
    "group": "a group of items as a whole",
    "panel": "all items of a panel as a whole",
    "feature": "one outside series",
    "model": "forecasts of a demand class at a lag, in life",
    "history": "what was said of periods that were over",
}
DRIFT_TESTS = {
    "zero_share": "share of periods with demand (Fisher's exact test)",
    "rate": "units a period (exact, against a negative binomial or Poisson)",
    "interval": "periods since the last demand, before: mean between demands (exact)",
    "size": "mean of demands (Fisher's exact test of how many are above the median)",
    "level": "mean of the values (rank sum)",
    "change": "mean change (rank sum)",
    "spread": "mean size of changes (rank sum)",
    "observed": "share of periods that are observed (Fisher's exact test)",
    "mean": "mean over items, each over its root mean square (Student's t over earlier windows)",
    "coverage": "share of what came true inside the 80 % interval, before: in the backtest",
    "bias": "mean forecast less what came true, over the latter; before: none",
    "value_added": "share of the best reference's loss saved, before: surely, in the backtest",
    "new": "the item was not in the history before",
    "vanished": "the item's history is gone",
    "rewritten": "periods that were over have other values: number of stretches",
}

DRIFT = Contract(
    "drift",
    key=("panel", "subject", "name"),
    columns=(
        text("panel", "kind and frequency of the series"),
        text("subject", "what the row is about", SUBJECTS),
        text("name", "item, group, outside series; ALL of a panel"),
        AS_OF,
        day("since", "first of the periods tested, or first one rewritten"),
        count("periods", "periods", "how many are tested"),
        text("test", "the test that says most", DRIFT_TESTS),
        number("before", "1", "what the test is about, before"),
        number("recent", "1", "the same of the periods tested"),
        number("p_value", "1", "chance of as much without a change, of all its tests", 0.0, 1.0),
        number("q_value", "1", "share of false ones if all up to this one are named", 0.0, 1.0),
        flag("found", "whether it is taken for a change"),
        text("sentence", "all of it in words"),
    ),
    volatile=(),
)
