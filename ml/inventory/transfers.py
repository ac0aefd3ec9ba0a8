"""Stock moved between locations: from where there is more than enough to where an order is due.

A recommendation by a simple rule, no optimiser of networks: the most urgent need is served first,
from whoever has most to spare.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.beside_orders import TRANSFERS
from ml.contracts.recommendations import REASON_TEXT_LENGTH
from ml.inventory.decisions import amount
from ml.inventory.item_case import ItemCase, OrderContext
from ml.inventory.items import DemandSummary
from ml.inventory.locations import Locations, location_cases
from ml.inventory.recommendations import fill_row

NAME_LENGTH = 30  # of a location in a sentence
_NEEDED = (
    "run_id", "item_id", "location_id", "as_of", "decision_day", "mode",
    "on_hand", "backorders", "reserved", "rolled_demand", "order_up_to",
    "excess_qty", "net_requirement_qty", "p_stockout_before_receipt", "p_stockout_no_order",
    "quality_flags",
)  # fmt: skip
_ROUNDING = 1e-9  # units: a sum of quantities in decimals differs from itself by less
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Balance:
    """What one location can give, or needs, of one item [units]."""

    name: str  # of the location
    spare: float = 0.0  # what it can give; 0 where it needs some
    need: float = 0.0  # what it would order, before lots
    # chances to be short, before an order could arrive and in the protection interval
    risk: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Move:
    """Units from one location to another."""

    giver: str
    receiver: str
    quantity: float  # units
    spare: float  # what the giver could spare before [units]
    need: float  # what the receiver still needed before [units]


def propose_transfers(
    rows: pa.Table,
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    locations: Locations,
    context: OrderContext,
    cost: float,
) -> pa.Table:
    """Rows of TRANSFERS for some items, out of their RECOMMENDATIONS rows of locations.

    Everything but the rows is what they were made from; ``cost`` is that of one transfer [currency
    of the item]. One that avoids a purchase of less is not proposed.
    """
    balances: dict[str, list[Row]] = {}
    for row in rows.select(_NEEDED).to_pylist():
        balances.setdefault(row["item_id"], []).append(row)
    found: list[dict[str, Any]] = []
    for history, demand in zip(histories, paths, strict=True):
        own = balances.get(history.item_id, ())
        whole = history.whole_units is not False
        names = [row["location_id"] for row in own]
        worth = {name: locations.policies[name][history.item_id].unit_cost for name in names}
        moves = plan_moves([weigh(row, whole_units=whole) for row in own], worth, cost)
        if moves:
            alone = locations.select([history.item_id])
            cases = location_cases([demand], [history], alone, context)
            known = {row["location_id"]: row for row in own}
            found += _describe_moves(moves, known, cases)
    table = pa.Table.from_pylist(found, TRANSFERS.schema)
    return check(table.sort_by([(key, "ascending") for key in TRANSFERS.key]), TRANSFERS)


def weigh(row: Row, *, whole_units: bool) -> Balance:
    """What a location can give or needs, by its row of RECOMMENDATIONS.

    It gives of what lies there and is promised to nobody, not of what is on order: never so much
    that this falls below its own ``order_up_to``, and none but its excess, which is above the P95
    of half a year's demand too. Without a usable count it neither gives nor gets.
    """
    if row["mode"] != "full":
        return Balance(row["location_id"])
    risk = (row["p_stockout_before_receipt"], row["p_stockout_no_order"])
    if row["net_requirement_qty"] > 0.0:
        need = row["net_requirement_qty"]
        return Balance(row["location_id"], 0.0, _round(need, 1.0) if whole_units else need, risk)
    held = row["on_hand"] - row["backorders"] - row["reserved"] - row["rolled_demand"]
    spare = max(min(row["excess_qty"], held - row["order_up_to"]), 0.0)
    return Balance(row["location_id"], _round(spare, -1.0) if whole_units else spare, 0.0, risk)


def _round(units: float, sign: float) -> float:
    """Units as a whole number, up (1) or down (-1)."""
    return sign * math.ceil(sign * units - _ROUNDING)


def plan_moves(
    balances: Sequence[Balance], worth: Mapping[str, float | None], cost: float
) -> list[Move]:
    """Moves of one item: to the most urgent need first, each from whoever has most to spare.

    Ties go by the names, so the order of the balances changes nothing. ``worth`` is the cost of a
    unit at each location, ``None`` where it is not known: what a move saves is not known then.
    """
    spare = {one.name: one.spare for one in balances}
    moves = []
    for receiver in sorted(balances, key=lambda one: (*(-risk for risk in one.risk), one.name)):
        need, value = receiver.need, worth[receiver.name]
        while need > 0.0:
            giver = min(spare, key=lambda name: (-spare[name], name))
            units = min(spare[giver], need)
            if units <= 0.0 or (value is not None and units * value < cost):
                break  # nobody else could send more
            moves.append(Move(giver, receiver.name, units, spare[giver], need))
            spare[giver] -= units
            need -= units
    return moves


def _describe_moves(
    moves: Sequence[Move],
    rows: Mapping[str, Row],
    cases: Iterable[tuple[ItemCase, npt.NDArray[np.generic]]],
) -> Iterator[dict[str, Any]]:
    """The cells of the moves of one item, by its rows and cases at each location."""
    receivers = {move.receiver for move in moves}
    at, parts = {}, {}
    for case, part in cases:
        at[case.stock.location_id] = case
        if case.stock.location_id in receivers:
            parts[case.stock.location_id] = part
    got = dict.fromkeys(rows, 0.0)
    chances = {name: row["p_stockout_no_order"] for name, row in rows.items()}
    for move in moves:
        case = at[move.receiver]
        before = chances[move.receiver]
        got[move.receiver] += move.quantity
        held = (case.stock.on_hand or 0.0) + got[move.receiver]
        richer = replace(case, stock=replace(case.stock, on_hand=held))
        after = chances[move.receiver] = fill_row(richer, parts[move.receiver])[
            "p_stockout_no_order"
        ]
        to, cost = rows[move.receiver], case.policy.unit_cost
        doubts = _doubts(at[move.giver], to)
        yield {
            **{name: to[name] for name in ("run_id", "item_id", "as_of", "decision_day")},
            "from_location": move.giver,
            "to_location": move.receiver,
            "quantity": move.quantity,
            "spare_qty": move.spare,
            "need_qty": move.need,
            "unit_cost": cost,
            "currency": None if cost is None else case.policy.currency,
            "purchase_avoided": None if cost is None else cost * move.quantity,
            "p_stockout_before": before,
            "p_stockout_after": after,
            "needs_review": bool(doubts),
            "reason_text": _explain(move, before, doubts),
        }


def _doubts(giver: ItemCase, receiver: Row) -> list[str]:
    """What a person has to look at before units are moved."""
    unknown = "on_order_assumed_zero" in receiver["quality_flags"].split(";")
    found = {"Critical": giver.policy.is_critical, "On order unknown": unknown}
    return [words for words, is_so in found.items() if is_so]


def _explain(move: Move, chance: float, doubts: Sequence[str]) -> str:
    giver, receiver = (name[:NAME_LENGTH] for name in (move.giver, move.receiver))
    text = (
        f"{receiver} needs {amount(move.need)}, {chance:.0%} chance to be short; {giver} can "
        f"spare {amount(move.spare)}."
    )
    return " ".join((text, *(f"{words}: review." for words in doubts)))[:REASON_TEXT_LENGTH]
