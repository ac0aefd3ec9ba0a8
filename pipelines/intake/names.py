"""The names that columns have in the wild, English and Portuguese, and how they are found."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ml.errors import DataError

Aliases = Mapping[str, tuple[str, ...]]

_ITEM_ID = (
    "item_id", "unique_id", "sku", "material", "item", "product_id", "codigo", "codigo_item",
    "codigo_do_item", "cod_item", "codigo_material", "produto", "product", "part_number",
    "item_code", "id_item",
)  # fmt: skip
_DS = (
    "ds", "date", "timestamp", "full_date", "data", "dia", "day", "month", "mes", "week", "semana",
    "ref_date", "datetime",
)  # fmt: skip
_SITE = (
    "site_id", "site", "site_code", "deposito", "depot", "location_id", "location", "local",
    "warehouse", "almoxarifado",
)  # fmt: skip
_SUPPLIER = ("supplier", "supplier_id", "vendor", "fornecedor")

DEMAND_NAMES: Aliases = {
    "item_id": _ITEM_ID,
    "ds": _DS,
    "y": (
        "y", "quantity", "qty", "demand", "quantidade", "qtd", "qtde", "qty_consumed", "consumo",
        "demanda", "target", "consumption",
    ),
    "site_id": _SITE,
    "is_stockout": ("is_stockout", "stockout_flag", "stockout", "ruptura"),
    "unit": (
        "unit", "unidade", "unit_of_measure", "uom", "um", "unidade_medida", "unidade_de_medida",
    ),
}  # fmt: skip

PRICE_NAMES: Aliases = {
    "ds": _DS,
    "series": ("series", "symbol", "ticker", "serie", "ativo", "item_id", "unique_id"),
    "unit": ("unit", "unidade"),
    "currency": ("currency", "moeda"),
}

_POLICY: Aliases = {
    "lead_time_days_mean": (
        "lead_time_days_mean", "lead_time_days", "lead_time", "avg_lead_time_days",
        "supplier_lead_time_mean", "prazo_entrega", "prazo_de_entrega", "prazo",
    ),
    "lead_time_days_std": ("lead_time_days_std", "lead_time_std", "supplier_lead_time_std"),
    "review_period_days": ("review_period_days", "review_period", "periodo_revisao"),
    "moq": ("moq", "min_order_qty", "pedido_minimo", "lote_minimo"),
    "order_multiple": ("order_multiple", "pack_size", "multiplo", "lote_multiplo"),
    "max_order_qty": ("max_order_qty", "pedido_maximo", "lote_maximo"),
    "unit_cost": ("unit_cost", "cost", "custo_unitario", "custo", "unit_price", "preco_unitario"),
    "currency": ("currency", "moeda"),
    "service_target": ("service_target", "service_level", "nivel_servico", "nivel_de_servico"),
    "criticality": ("criticality", "criticidade"),
    "status": ("status", "active", "ativo", "situacao"),
    "service_metric": ("service_metric", "metrica_servico", "metrica_de_servico"),
    "min_stock": ("min_stock", "min_qty", "estoque_minimo", "safety_stock_min"),
    "max_stock": ("max_stock", "max_qty", "estoque_maximo"),
    "stockout_cost": ("stockout_cost", "shortage_cost", "custo_falta", "custo_de_falta"),
    "supplier": _SUPPLIER,
    "shelf_life_days": ("shelf_life_days", "shelf_life", "validade_dias", "dias_de_validade",
                        "prazo_validade", "prazo_de_validade", "validade"),
    "order_cost": ("order_cost", "ordering_cost", "custo_pedido", "custo_de_pedido"),
    "needed_until": (
        "needed_until", "last_day_of_need", "support_until", "end_of_support", "fim_de_suporte",
        "necessario_ate",
    ),
    "successor_item_id": ("successor_item_id", "successor", "substituto", "item_substituto"),
}  # fmt: skip

ITEM_NAMES: Aliases = {
    "item_id": _ITEM_ID,
    "name": ("name", "item_name", "nome", "description", "descricao"),
    "family": ("family", "familia", "category", "categoria"),
    **_POLICY,
}

INVENTORY_NAMES: Aliases = {
    "item_id": _ITEM_ID,
    "location_id": (
        "location_id", "location", "local", "site_id", "site", "site_code", "deposito", "depot",
        "warehouse", "almoxarifado",
    ),
    "snapshot_at": ("snapshot_at", "snapshot_date", *_DS),
    "on_hand": (
        "on_hand", "current_stock", "stock", "estoque", "estoque_atual", "saldo", "saldo_atual",
        "quantity", "quantidade", "qtd", "qty",
    ),
    "on_order": ("on_order", "open_orders", "in_transit", "em_pedido", "em_transito"),
    "on_order_eta": ("on_order_eta", "eta", "due_date", "previsao_entrega", "data_entrega"),
    "backorders": ("backorders", "backorder", "pendencias"),
    "reserved": ("reserved", "allocated", "reservado"),
    "in_repair_qty": ("in_repair_qty", "in_repair", "em_reparo", "em_conserto"),
    "repair_tat_days": ("repair_tat_days", "repair_days", "repair_tat", "prazo_reparo"),
    **_POLICY,
}  # fmt: skip

OPEN_ORDER_NAMES: Aliases = {
    "item_id": _ITEM_ID,
    "quantity": (
        "quantity", "open_quantity", "open_qty", "qty", "quantidade", "quantidade_aberta",
        "quantidade_pendente", "qtd", "qtde", "saldo", "on_order", "em_pedido",
    ),
    "due_at": (
        "due_at", "due_date", "due", "eta", "on_order_eta", "expected_date", "expected_receipt",
        "delivery_date", "promised_date", "data_entrega", "data_de_entrega", "entrega",
        "previsao_entrega", "previsao", "data_prevista",
    ),
    "supplier": _SUPPLIER,
    "order_id": ("order_id", "order", "po", "po_number", "purchase_order", "pedido",
                 "numero_pedido", "ordem"),
}  # fmt: skip

RECEIPT_NAMES: Aliases = {
    "item_id": _ITEM_ID,
    "ordered_at": (
        "ordered_at", "order_date", "po_date", "ordered", "data_pedido", "data_do_pedido",
        "data_compra", "data_ordem", "emissao", "data_emissao",
    ),
    "received_at": (
        "received_at", "receipt_date", "received", "delivered_at", "delivery_date",
        "goods_receipt_date", "data_recebimento", "data_de_recebimento", "recebido_em",
        "data_entrada", "data_entrega",
    ),
    "quantity": (
        "quantity", "qty", "received_qty", "quantidade", "quantidade_recebida", "qtd", "qtde",
    ),
    "supplier": _SUPPLIER,
    "order_id": OPEN_ORDER_NAMES["order_id"],
}  # fmt: skip

SUPPLIER_NAMES: Aliases = {
    "supplier": (*_SUPPLIER, "name", "nome"),
    "min_order_value": (
        "min_order_value", "minimum_order_value", "min_order", "minimum_order", "pedido_minimo",
        "valor_minimo", "valor_minimo_pedido", "valor_minimo_do_pedido", "faturamento_minimo",
    ),
    "order_cost": (
        "order_cost", "ordering_cost", "fixed_cost", "custo_pedido", "custo_do_pedido",
        "custo_fixo", "frete",
    ),
    "currency": ("currency", "moeda"),
}  # fmt: skip

EXPOSURE_NAMES: Aliases = {
    "item_id": ("item_id", "series", "symbol", "ticker", "serie", "ativo", "unique_id", "item"),
    "exposure_id": ("exposure_id", "exposure", "contract", "contrato", "exposicao", "id"),
    "volume": ("volume", "quantity", "qty", "quantidade", "qtd", "qtde"),
    "hedged_share": (
        "hedged_share", "hedged", "hedge", "share_hedged", "parcela_fixada", "parcela_protegida",
        "fracao_protegida",
    ),
    "due_at": (
        "due_at", "due_date", "due", "delivery_date", "vencimento", "data_compra",
        "data_da_compra", "data_entrega", "data_de_entrega", "entrega", "date", "data",
    ),
    "horizon": ("horizon", "periods", "horizonte", "periodos"),
    "currency": ("currency", "moeda"),
    "budget_price": ("budget_price", "budget", "orcamento", "preco_orcado", "preco_orcamento"),
    "fixed_quote": (
        "fixed_quote", "quote", "supplier_quote", "fixed_price", "cotacao", "preco_fixo",
        "cotacao_fornecedor",
    ),
    "risk_aversion": ("risk_aversion", "aversao_risco", "aversao_ao_risco"),
    "supplier": _SUPPLIER,
}  # fmt: skip

WANTED = frozenset(
    {
        *DEMAND_NAMES, *PRICE_NAMES, *ITEM_NAMES, *INVENTORY_NAMES, *OPEN_ORDER_NAMES,
        *RECEIPT_NAMES, *SUPPLIER_NAMES, *EXPOSURE_NAMES, "value",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """Where the wanted columns of one file are."""

    positions: Mapping[str, int]  # wanted name to its position in the file
    ignored: tuple[str, ...]  # names in the file that nothing is read from
    remarks: tuple[str, ...] = ()  # what the user should know about the choice


Choose = Callable[[Sequence[str], str], ChosenColumns]
"""From the header and the name of a file to the columns that are read of it."""


def plain(name: str) -> str:
    """A name without case, accents, blanks and punctuation.

    >>> plain(" Código do Item ")
    'codigo_do_item'
    """
    letters = unicodedata.normalize("NFKD", name)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9]+", "_", bare.casefold()).strip("_")


def find_columns(
    header: Sequence[str],
    where: str,
    *,
    aliases: Aliases,
    needed: Sequence[str],
    mapped: Mapping[str, str],
) -> ChosenColumns:
    """Find the wanted columns in a header, by the user's mapping first, then by usual names.

    A mapping holds for all files of a run: where a file lacks the column it names, the usual
    names are tried, and a remark says so.

    Raises:
        DataError: A needed column is not there, or two columns answer to one name.
    """
    positions: dict[str, int] = {}
    remarks = []
    for wanted, names in aliases.items():
        position = None
        if wanted in mapped:
            position = position_of(header, (mapped[wanted],), where)
            if position is None:
                absent = f"has no column '{mapped[wanted]}'"
                remarks.append(f"{where}: {absent}; usual names of '{wanted}' were tried.")
        if position is None:
            position = position_of(header, names, where)
        if position is not None and position not in positions.values():
            positions[wanted] = position
    for wanted in needed:
        if wanted not in positions:
            shown = ", ".join(repr(field[:60]) for field in header[:20])
            raise DataError(
                f"{where}: no column for '{wanted}'. Columns found ({len(header)}): {shown}. Names "
                f"looked for: {', '.join(aliases[wanted])}. Say which one it is: --column "
                f"{wanted}=NAME."
            )
    ignored = tuple(name for i, name in enumerate(header) if i not in positions.values())
    return ChosenColumns(positions, ignored, tuple(remarks))


def position_of(header: Sequence[str], names: tuple[str, ...], where: str) -> int | None:
    """Where the first of some names is in a header, case and accents aside; ``None`` = nowhere.

    Raises:
        DataError: Two columns answer to the name.
    """
    for name in names:
        exact = [i for i, field in enumerate(header) if field == name]
        bare = plain(name)
        alike = exact or [i for i, field in enumerate(header) if bare and plain(field) == bare]
        if len(alike) > 1:
            raise DataError(
                f"{where}: {len(alike)} columns are named '{header[alike[0]]}'. "
                "Give all but one another name."
            )
        if alike:
            return alike[0]
    return None
