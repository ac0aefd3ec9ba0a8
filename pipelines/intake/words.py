"""Words of closed vocabularies: flags, criticality, life cycle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.decimals import NOTHING
from pipelines.intake.parsed import Parsed, faults_of, is_one_of
from pipelines.intake.quarantine import Reason

FALSE, TRUE, UNKNOWN = 0, 1, -1
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
    "obsolete": (
        "obsolete", "obsoleto", "obsoleta", "inactive", "inativo", "inativa", "descontinuado", *_NO,
    ),
}  # fmt: skip


def parse_flags(texts: pa.Array) -> Parsed:
    """Flags as 1, 0, and -1 where the text says nothing, (U,)."""
    values = np.full(len(texts), UNKNOWN, np.int8)
    values[is_one_of(texts, _NO)] = FALSE
    values[is_one_of(texts, _YES)] = TRUE
    unknown = (values == UNKNOWN) & ~is_one_of(texts, NOTHING)
    return Parsed(values, faults_of(len(texts), (unknown, Reason.UNKNOWN_WORD)))


def parse_criticality(texts: pa.Array, where: str) -> Parsed:
    """Criticality as A, B, C or insurance; numbers from 0 to 10 are put on that scale."""
    words = _translated(texts, _CRITICALITY)
    numbers = pc.if_else(pc.match_substring_regex(texts, r"^\d{1,2}(\.\d+)?$"), texts, None)
    numbers = pc.fill_null(numbers.cast(pa.float64()), np.nan).to_numpy()
    on_scale = numbers <= 10
    for name, lower in reversed(CRITICALITY_SCALE):
        words[on_scale & (numbers >= lower)] = name
    outside = np.isfinite(numbers) & ~on_scale
    remarks = (_scale_remark(where),) if on_scale.any() else ()
    return _words(texts, words, outside, remarks)


def parse_status(texts: pa.Array) -> Parsed:
    """Life cycle of an item; a flag ``active`` is active or obsolete."""
    words = _translated(texts, _STATUS)
    return _words(texts, words, np.zeros(len(texts), bool), ())


def _scale_remark(where: str) -> str:
    steps = ", ".join(f"{lower:g} or more = {name}" for name, lower in CRITICALITY_SCALE)
    return f"{where}: numbers were put on the scale {steps}."


def _words(
    texts: pa.Array,
    words: npt.NDArray[Any],
    outside: npt.NDArray[np.bool_],
    remarks: tuple[str, ...],
) -> Parsed:
    unknown = np.array([word is None for word in words], bool) & ~is_one_of(texts, NOTHING)
    rules = ((outside, Reason.OUT_OF_RANGE), (unknown, Reason.UNKNOWN_WORD))
    return Parsed(words, faults_of(len(texts), *rules), remarks)


def _translated(texts: pa.Array, vocabulary: Mapping[str, tuple[str, ...]]) -> npt.NDArray[Any]:
    words = np.full(len(texts), None, object)
    for name, spellings in vocabulary.items():
        words[is_one_of(texts, spellings)] = name
    return words
