"""Ten made-up items, one for each way a recommendation can end, and their rows in words.

The page for planners shows what the program says of them; every sentence takes its numbers from the
row that it explains.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ml.frequency import Frequency
from ml.inventory.item_case import OrderContext
from ml.inventory.items import DemandSummary, ItemPolicy
from ml.inventory.recommendations import recommend
from ml.seeds import generator

WEEKLY_DEMAND, PATHS, WEEKS = 4.0, 2000, 30
AS_OF = np.datetime64("2026-10-26")  # the week that ends on Sunday, 1 November
COUNTED = datetime.fromisoformat("2026-11-01 18:00")
ITEMS: Mapping[str, dict[str, Any]] = {
    "BAT-01": {"stock": {"on_hand": 14.0}},
    "CAB-02": {"stock": {"on_hand": 15.0}, "policy": {"moq": 12.0, "order_multiple": 6.0}},
    "REC-03": {"stock": {"on_hand": 3.0}},
    "ANT-04": {"stock": {"on_hand": 3.0, "on_order": 30.0}},
    "CON-05": {"stock": {"on_hand": 20.0}},
    "GRD-06": {"stock": {"on_hand": 6.0, "on_order": 25.0}, "due": "2026-11-06"},
    "EPI-07": {"stock": {"on_hand": 30.0, "on_order": 150.0}, "due": "2026-11-10"},
    "STR-08": {"stock": {"on_hand": 160.0}},
    "BRK-09": {},
    "BCN-10": {"stock": {"on_hand": 9.0}, "policy": {"status": "obsolete"}},
}
SENTENCES: Mapping[str, tuple[str, str]] = {  # by action or reason: English, Portuguese
    "order_now": (
        """Position {position} is at or below the reorder point {point}, so an order fills it
        up, to at most {up_to}: that would take {need}, {order} are ordered ({limit}). Without it,
        {no_order} of the paths run short within review period and lead time; with it,
        {with_order}.""",
        """A posição {position} está no ponto de pedido {point} ou abaixo, e o pedido a
        completa até no máximo {up_to}: seriam {need}, pedem-se {order} ({limit}). Sem ele,
        {no_order} dos cenários ficam sem estoque no intervalo de proteção; com ele,
        {with_order}.""",
    ),
    "expedite": (
        """An order placed today comes after {lead} days, and {before} of the paths are short
        before: {hand} in stock last {cover} days. Order {order} and ask for faster
        delivery.""",
        """Um pedido feito hoje chega em {lead} dias, e em {before} dos cenários falta peça
        antes: {hand} em estoque duram {cover} dias. Peça {order} e acelere a entrega.""",
    ),
    "on_order_date_unknown": (
        """{arriving} are on order, but nobody said for when. If they come soon, all is well;
        if only in {lead} days, {before} of the paths are short. Ask the supplier for the
        date, and give it in the file of open orders.""",
        """Há {arriving} em pedido, mas sem data. Se chegarem logo, está tudo bem; se só em
        {lead} dias, falta peça em {before} dos cenários. Pergunte a data ao fornecedor e
        informe-a no arquivo de pedidos em aberto.""",
    ),
    "order_soon": (
        """Position {position} is above the reorder point {point}, and expected to reach it by
        {order_by}, before the next review. Nothing to order today; have the papers ready.""",
        """A posição {position} está acima do ponto de pedido {point} e deve alcançá-lo até
        {order_by}, antes da próxima revisão. Nada a pedir hoje; deixe o pedido preparado.""",
    ),
    "hold": (
        """{hand} in stock and {arriving} due on {receipt} make {position}, above the reorder
        point {point}. {before} of the paths are short before the delivery: nothing to do.""",
        """{hand} em estoque e {arriving} a receber em {receipt} somam {position}, acima do
        ponto de pedido {point}. Falta peça antes da entrega em {before} dos cenários: nada
        a fazer.""",
    ),
    "reduce_or_cancel_po": (
        """Position {position} is {excess} above what even a high demand of half a year asks
        for, and {arriving} of it are still on order: reduce or cancel that order.""",
        """A posição {position} está {excess} acima do que pede até uma demanda alta de meio
        ano, e {arriving} dela ainda estão em pedido: reduza ou cancele esse pedido.""",
    ),
    "review_excess": (
        """{hand} in stock are {excess} more than even a high demand of half a year asks for.
        Nothing is on order: look whether another site, or the supplier, can use them.""",
        """{hand} em estoque são {excess} a mais do que pede até uma demanda alta de meio ano.
        Nada está em pedido: veja se outra base, ou o fornecedor, pode usá-los.""",
    ),
    "set_parameters": (
        """No counted stock of this item, hence no quantity. Its levels are there all the same:
        reorder point {point}, up to {up_to}. Add it to the stock file, with the day of the
        count.""",
        """Não há estoque contado deste item, portanto nenhuma quantidade. Os níveis existem
        mesmo assim: ponto de pedido {point}, até {up_to}. Inclua-o no arquivo de estoque,
        com a data.""",
    ),
    "none": (
        """Obsolete: never ordered, whatever the forecast. {hand} are left.""",
        """Obsoleto: nunca se pede, seja qual for a previsão. Restam {hand}.""",
    ),
}
LIMITS = {
    "none": ("the need itself", "a própria necessidade"),
    "moq": ("the smallest order", "o pedido mínimo"),
    "multiple": ("in whole packs", "em embalagens inteiras"),
}
SHOWN = (
    "item_id", "action", "on_hand", "on_order", "inventory_position", "reorder_point",
    "order_up_to", "order_qty", "days_of_cover_p50", "reason_text",
)  # fmt: skip


def make_rows() -> list[dict[str, Any]]:
    """The recommendations of the ten items, in their order here."""
    rng = generator(0, "ten rows")
    paths = rng.poisson(WEEKLY_DEMAND, (len(ITEMS), PATHS, WEEKS))
    history = {"demand_class": "smooth", "n_obs": 100, "n_nonzero": 98}
    last = np.datetime64("2026-10-26")
    policies = {
        item: ItemPolicy(item, **({"lead_time_days_mean": 14.0, "lead_time_days_std": 0.0,
                                   "review_period_days": 7.0, "service_target": 0.95}
                                  | about.get("policy", {})))
        for item, about in ITEMS.items()
    }  # fmt: skip
    table = recommend(
        paths,
        [DemandSummary(item, last_demand=last, **history) for item in ITEMS],
        policies,
        _stock(),
        OrderContext(frequency=Frequency.WEEKLY, as_of=AS_OF, seed=0),
        open_orders=_orders(),
    )
    rows = {row["item_id"]: row for row in table.to_pylist()}
    return [rows[item] for item in ITEMS]


def _stock() -> pa.Table:
    known = {item: about["stock"] for item, about in ITEMS.items() if "stock" in about}
    columns = {
        name: [one.get(name, 0.0) for one in known.values()]
        for name in ("on_hand", "on_order", "backorders", "reserved")
    }
    return pa.table({"item_id": list(known), "snapshot_at": [COUNTED] * len(known), **columns})


def _orders() -> pa.Table:
    due = {item: about["due"] for item, about in ITEMS.items() if "due" in about}
    return pa.table(
        {
            "item_id": list(due),
            "due_at": [datetime.fromisoformat(day) for day in due.values()],
            "quantity": [ITEMS[item]["stock"]["on_order"] for item in due],
        }
    )


def explain_row(row: Mapping[str, Any], language: int) -> str:
    """Why the row says what it says, in English (0) or Portuguese (1), by its own numbers."""
    key = row["reason_code"] if row["reason_code"] in SENTENCES else row["action"]

    def whole(name: str) -> str:
        return "-" if row[name] is None else f"{row[name]:g}"

    def share(name: str) -> str:
        return "-" if row[name] is None else f"{row[name]:.0%}"

    def day(name: str) -> str:
        form = "%d %B %Y" if language == 0 else "%d/%m/%Y"
        return "-" if row[name] is None else row[name].strftime(form).lstrip("0")

    return " ".join(SENTENCES[key][language].split()).format(
        position=whole("inventory_position"),
        point=whole("reorder_point"),
        up_to=whole("order_up_to"),
        need=whole("net_requirement_qty"),
        order=whole("order_qty"),
        limit=LIMITS[row["binding_constraint"] or "none"][language],
        no_order=share("p_stockout_no_order"),
        with_order=share("p_stockout_with_order"),
        before=share("p_stockout_before_receipt"),
        lead=whole("lead_time_days_mean"),
        hand=whole("on_hand"),
        arriving=whole("on_order"),
        cover="-" if row["days_of_cover_p50"] is None else f"{row['days_of_cover_p50']:.0f}",
        order_by=day("order_by_date"),
        receipt=day("next_receipt_date"),
        excess=whole("excess_qty"),
    )
