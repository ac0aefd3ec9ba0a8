"""Words of closed vocabularies: flags, criticality, life cycle."""

from collections.abc import Mapping

import polars as pl

from pipelines.intake.cells import NOTHING, TEXT, ParsedTexts, is_one_of, matches, parsed_texts
from pipelines.intake.quarantine import Reason

_YES = ("true", "t", "yes", "y", "sim", "s", "1", "1.0", "verdadeiro", "v")
_NO = ("false", "f", "no", "n", "não", "nao", "0", "0.0", "falso")

CRITICALITY_SCALE = (("A", 7.0), ("B", 4.0), ("C", 0.0))  # lower ends on a scale from 0 to 10
_CRITICALITY: Mapping[str, tuple[str, ...]] = {
    "A": ("a", "alta", "alto", "high", "critical", "critica", "crítica"),
    "B": ("b", "media", "média", "medio", "médio", "medium"),
    "C": ("c", "baixa", "baixo", "low"),
    "insurance": ("insurance", "seguro", "segurança", "seguranca"),
}
_STATUS: Mapping[str, tuple[str, ...]] = {
    "active": ("active", "ativo", "ativa", *_YES),
    "phase_out": ("phase_out", "phase out", "phase-out", "phaseout", "descontinuando"),
    "do_not_stock": ("do_not_stock", "do not stock", "nao_estocar", "não estocar"),
    "last_buy": ("last_buy", "last buy", "last time buy", "ultima compra", "última compra"),
    "obsolete": (
        "obsolete", "obsoleto", "obsoleta", "inactive", "inativo", "inativa", "descontinuado", *_NO,
    ),
}  # fmt: skip
_SERVICE_METRIC: Mapping[str, tuple[str, ...]] = {
    "csl": ("csl", "cycle_service", "cycle service level", "nivel de ciclo"),
    "csl_pos": ("csl_pos", "csl+"),
    "fill_rate": ("fill_rate", "fill rate", "beta", "taxa de atendimento"),
    "cost": ("cost", "custo"),
}


def parse_flags(texts: pl.DataFrame, where: str) -> ParsedTexts:  # noqa: ARG001 - like all parsers
    """Flags as true and false, null where the text says nothing."""
    value = pl.when(is_one_of(_YES)).then(pl.lit(value=True))
    return _words(texts, value.when(is_one_of(_NO)).then(pl.lit(value=False)))


def parse_status(texts: pl.DataFrame, where: str) -> ParsedTexts:  # noqa: ARG001 - like all parsers
    """Life cycle of an item; a flag ``active`` is active or obsolete."""
    return _words(texts, _translated(_STATUS))


def parse_service_metric(
    texts: pl.DataFrame,
    where: str,  # noqa: ARG001 - like all parsers
) -> ParsedTexts:
    """What a service target is a share of."""
    return _words(texts, _translated(_SERVICE_METRIC))


def parse_criticality(texts: pl.DataFrame, where: str) -> ParsedTexts:
    """Criticality as A, B, C or insurance; numbers from 0 to 10 are put on that scale."""
    number = pl.when(matches(TEXT, r"[0-9]{1,2}(\.[0-9]+)?")).then(TEXT).cast(pl.Float64)
    on_scale = number <= 10
    steps = [pl.when(on_scale & (number >= lower)).then(pl.lit(name))
             for name, lower in CRITICALITY_SCALE]  # fmt: skip
    value = pl.coalesce(*steps, _translated(_CRITICALITY))
    remarks: tuple[str, ...] = ()
    if texts.select(on_scale.any()).item():
        scale = ", ".join(f"{lower:g} or more = {name}" for name, lower in CRITICALITY_SCALE)
        remarks = (f"{where}: numbers were put on the scale {scale}.",)
    return _words(texts, value, (number > 10, Reason.OUT_OF_RANGE), remarks=remarks)


def _words(
    texts: pl.DataFrame,
    value: pl.Expr,
    *rules: tuple[pl.Expr, Reason],
    remarks: tuple[str, ...] = (),
) -> ParsedTexts:
    unknown = value.is_null() & ~is_one_of(NOTHING)
    return parsed_texts(texts, value, *rules, (unknown, Reason.UNKNOWN_WORD), remarks=remarks)


def _translated(vocabulary: Mapping[str, tuple[str, ...]]) -> pl.Expr:
    spelled = {spelling: word for word, spellings in vocabulary.items() for spelling in spellings}
    return TEXT.str.to_lowercase().replace_strict(spelled, default=None, return_dtype=pl.String)
