"""Replenishment recommendations: from sample paths, policies and stock to the contract's rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.recommendations import RECOMMENDATIONS, join_flags
from ml.frequency import Frequency
from ml.inventory import rows
from ml.inventory.decisions import Decision
from ml.inventory.facts import DemandFacts
from ml.inventory.item_rows import ItemCase, recommend_item
from ml.inventory.policies import ItemPolicy
from ml.inventory.stock import WHOLE_COMPANY, read_stock
from ml.settings import PolicySettings


def recommend(
    paths: npt.NDArray[np.generic],
    facts: Sequence[DemandFacts],
    policies: Mapping[str, ItemPolicy],
    stock: pa.Table | None,
    *,
    frequency: Frequency,
    as_of: np.datetime64,
    run_id: str,
    settings: PolicySettings,
) -> pa.Table:
    """Recommend for each item what to order, from its cumulative demand along sample paths.

    The lead time is drawn for each path from a gamma distribution; quantiles are taken of the
    demand over review period plus lead time, never of single periods. Draws are seeded by
    ``settings.seed`` and the item's id alone, so chunks and order of the items change nothing.
    Lead times beyond the end of the forecast are clipped there, at most the longest 1 %; an item
    whose protection interval needs more periods than H gets a row without quantities.

    Args:
        paths: (N, S, H) sample paths of demand per period after ``as_of``, finite, >= 0.
        facts: N facts, in the order of the paths, each item once.
        policies: Parameters of each item, see :func:`ml.inventory.policies.resolve_policies`.
        stock: Table in the ``inventory`` contract; ``None`` = policies only, no quantities.
        frequency: Of the periods.
        as_of: Start of the last period that the forecast saw.
        run_id: Names the run.
        settings: Where the seed comes from.

    Returns:
        One row an item in the ``recommendations`` contract, sorted by its key, without
        ``priority_rank``: see :func:`rank`.

    Raises:
        ValueError: Arguments that do not fit each other, or paths that are no demand.
    """
    _check_arguments(paths, facts, policies)
    occasion = rows.Occasion(run_id, as_of, frequency)
    wanted = [policies[one.item_id] for one in facts]
    stocks = read_stock(stock, wanted, occasion.decided_on)
    return _table(
        [
            recommend_item(
                ItemCase(occasion, one, policy, stocks[one.item_id]), item_demand, settings.seed
            )
            for one, policy, item_demand in zip(facts, wanted, paths, strict=True)
        ]
    )


def insufficient(
    reasons: Mapping[str, str],
    policies: Mapping[str, ItemPolicy],
    *,
    frequency: Frequency,
    as_of: np.datetime64,
    run_id: str,
) -> pa.Table:
    """Rows of mode ``insufficient`` for the items that were refused a forecast.

    Args:
        reasons: Why, in words, by item.
        policies: Parameters to echo; an item without them gets none.
        frequency: Of the panel.
        as_of: Start of the last period that the panel saw.
        run_id: Names the run.

    Returns:
        One row an item in the ``recommendations`` contract, sorted by its key.
    """
    occasion = rows.Occasion(run_id, as_of, frequency)
    return _table([_refused(occasion, item, reasons[item], policies.get(item)) for item in reasons])


def rank(table: pa.Table) -> pa.Table:
    """Fill ``priority_rank``: 1 for the highest score, ties by item; no score, no rank.

    Args:
        table: All rows of a run, in the ``recommendations`` contract.
    """
    scores = pc.fill_null(table["priority_score"], -1.0)  # below every score: last
    keyed = pa.table({"score": scores, "item": table["item_id"], "place": table["location_id"]})
    keys = [("score", "descending"), ("item", "ascending"), ("place", "ascending")]
    order = pc.sort_indices(keyed, sort_keys=keys).to_numpy()
    ranks = np.empty(table.num_rows, dtype=np.int64)
    ranks[order] = np.arange(1, table.num_rows + 1)
    unscored = pc.is_null(table["priority_score"]).to_numpy()
    place = table.schema.get_field_index("priority_rank")
    filled = pa.array(ranks, pa.int64(), mask=unscored)
    return table.set_column(place, RECOMMENDATIONS.schema.field("priority_rank"), filled)


def _refused(
    occasion: rows.Occasion, item: str, reason: str, policy: ItemPolicy | None
) -> rows.Cells:
    echo = {} if policy is None else rows.policy_cells(policy)
    flags = () if policy is None else policy.flags
    return {
        **rows.identity_cells(occasion, item, WHOLE_COMPANY),
        **rows.decision_cells(Decision("review", "no_forecast", reason), "insufficient"),
        **echo,
        "confidence": "low",
        "quality_flags": join_flags([*flags, "no_forecast"]),
    }


def _check_arguments(
    paths: npt.NDArray[np.generic],
    facts: Sequence[DemandFacts],
    policies: Mapping[str, ItemPolicy],
) -> None:
    items = [one.item_id for one in facts]
    if paths.ndim != 3 or len(paths) != len(items) or 0 in paths.shape[1:]:
        raise ValueError(f"paths must be ({len(items)}, S, H) with S, H >= 1, got {paths.shape}")
    if len(set(items)) < len(items):
        raise ValueError(f"facts must name each item once: {len(items)} facts, {len(set(items))}")
    lacking = [item for item in items if item not in policies]
    if lacking:
        raise ValueError(
            f"no policy for {len(lacking)} of {len(items)} items, first {lacking[0]!r}"
        )
    if paths.size and not (np.isfinite(paths).all() and paths.min() >= 0):
        raise ValueError("paths must be finite and not negative: they are demand")


def _table(cells: Sequence[rows.Cells]) -> pa.Table:
    unknown = {name for row in cells for name in row} - set(RECOMMENDATIONS.names)
    if unknown:
        raise ValueError(f"not columns of the contract: {sorted(unknown)}")
    columns = [
        pa.array([row.get(column.name) for row in cells], column.dtype)
        for column in RECOMMENDATIONS.columns
    ]
    table = pa.Table.from_arrays(columns, schema=RECOMMENDATIONS.schema)
    return check(
        table.sort_by([(key, "ascending") for key in RECOMMENDATIONS.key]), RECOMMENDATIONS
    )
