"""What a parser makes of the distinct texts of a column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.quarantine import Faults, Reason, fault_code


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values and faults of U distinct texts.

    Attributes:
        values: (U,) values; where there is a fault, any.
        faults: (U,) fault codes, 0 = sound.
        remarks: What was decided for the column as a whole, in plain sentences.
    """

    values: npt.NDArray[Any]
    faults: Faults
    remarks: tuple[str, ...] = ()


def matches(texts: pa.Array, pattern: str) -> npt.NDArray[np.bool_]:
    """Which texts match a pattern from end to end, (U,)."""
    found = pc.match_substring_regex(texts, rf"^(?:{pattern})$")
    return found.to_numpy(zero_copy_only=False)


def is_one_of(texts: pa.Array, words: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which texts are one of some lower-case words, whatever their case, (U,)."""
    found = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(words))
    return found.to_numpy(zero_copy_only=False)


def faults_of(count: int, *rules: tuple[npt.NDArray[np.bool_], Reason]) -> Faults:
    """Fault codes of texts, (count,); of several rules that hold the first counts."""
    faults = np.zeros(count, np.int8)
    for broken, reason in rules:
        faults[broken & (faults == 0)] = fault_code(reason)
    return faults
