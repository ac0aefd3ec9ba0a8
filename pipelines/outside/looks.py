"""Earlier looks at a series, and which of them would have shown a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from ml.frequency import Days


@dataclass(frozen=True, slots=True)
class Looks:
    """Earlier days on which a series was looked at without a failure.

    Attributes:
        firsts: (L,) first day that was asked for, ascending.
        days: (L,) newest day of a look that reached back to it.
    """

    firsts: Days
    days: Days

    @classmethod
    def of(cls, looks: Iterable[tuple[date, date]], *, before: date) -> "Looks":
        """Pairs of first day asked for and day of the look; only looks before a day count."""
        earlier = sorted(pair for pair in looks if pair[1] < before)
        firsts, days = np.array(earlier, "datetime64[D]").reshape(-1, 2).T
        return cls(firsts, np.maximum.accumulate(days) if len(days) else days)

    def last_covering(self, days: Days) -> Days:
        """Of each day the newest look that would have shown its value; NaT where none would."""
        places = np.searchsorted(self.firsts, days, side="right") - 1
        padded = np.append(self.days, np.datetime64("NaT", "D"))
        return padded[places]  # -1 = no look reaches back so far = the NaT at the end
