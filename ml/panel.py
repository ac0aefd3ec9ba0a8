"""A panel: a set of series of one kind and frequency, which is all that a model ever sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ml.frequency import Days, Frequency

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Series that share kind, frequency and calendar.

    Attributes:
        kind: ``demand`` (non-negative, cumulative quantities matter) or ``price`` (any sign).
        frequency: How often the series are observed.
        items: N ids, sorted.
        periods: T period starts, ascending, without gaps.
        values: (N, T), NaN = not observed. Read-only.
        units: N units, ``None`` where not known.
    """

    kind: str
    frequency: Frequency
    items: tuple[str, ...]
    periods: Days
    values: Floats
    units: tuple[str | None, ...]

    def __post_init__(self) -> None:
        """Refuse a panel whose parts do not fit each other."""
        shape = (len(self.items), len(self.periods))
        if self.values.shape != shape or len(self.units) != len(self.items):
            raise ValueError(f"values must be {shape}, got {self.values.shape}")
        if list(self.items) != sorted(set(self.items)):
            raise ValueError("items must be sorted and unique")
        self.values.flags.writeable = False

    @property
    def cutoff(self) -> np.datetime64:
        """Start of the last period: the panel's ``as_of``."""
        return self.periods[-1]

    @property
    def is_demand(self) -> bool:
        """Whether values are quantities that never fall below zero."""
        return self.kind == "demand"

    def until(self, cutoff: np.datetime64) -> "Panel":
        """The panel as it was when the period ``cutoff`` had just ended."""
        keep = int(np.searchsorted(self.periods, cutoff, side="right"))
        return replace(self, periods=self.periods[:keep], values=self.values[:, :keep].copy())

    def select(self, items: Sequence[str]) -> "Panel":
        """Only the named items, in the panel's order."""
        wanted = set(items)
        rows = [i for i, item in enumerate(self.items) if item in wanted]
        return self.rows(rows)

    def rows(self, rows: Sequence[int]) -> "Panel":
        """Only the items at these positions, ascending."""
        return replace(
            self,
            items=tuple(self.items[i] for i in rows),
            values=self.values[list(rows)].copy(),
            units=tuple(self.units[i] for i in rows),
        )

    def observed(self) -> npt.NDArray[np.bool_]:
        """Where there is an observation, shape (N, T)."""
        return ~np.isnan(self.values)
