"""Demand classes by interval and size variation.

Source: Syntetos, Boylan & Croston (2005), *On the categorization of demand patterns*, JORS 56:
cut-offs 1.32 for the mean interval (ADI) and 0.49 for the squared variation of sizes (CV²).
"""

from dataclasses import dataclass

import numpy as np

from ml.frequency import Frequency
from ml.panel import Floats, Panel, in_portions

ADI_CUT, CV2_CUT = 1.32, 0.49
DAYS = 365.25  # for which a part is new


@dataclass(frozen=True, slots=True)
class DemandPattern:
    """What a class is made of."""

    name: str  # smooth, erratic, intermittent, lumpy, new, too_few or no_demand
    adi: float | None  # observed periods per period with demand; null without demand
    # squared coefficient of variation of the non-zero demands; null below two demands
    cv2: float | None
    n_obs: int  # observed periods
    n_nonzero: int  # periods with demand


def demand_pattern(values: Floats, frequency: Frequency | None = None) -> DemandPattern:
    """The pattern of one series (T,) over the calendar of its panel, NaN = not observed.

    With a frequency a part with demand is `new` that was first observed less than a year ago, and
    after the first half of a calendar in which others were observed before it: too little is known
    to tell its pattern.

    >>> demand_pattern(np.array([0.0, 2.0, 0.0, 2.0])).name  # every second period, one size
    'intermittent'
    """
    seen = values[~np.isnan(values)]
    sizes = seen[seen > 0]
    n, events = len(seen), len(sizes)
    if events == 0:
        return DemandPattern("no_demand", None, None, n, 0)
    adi = n / events
    cv2 = float(np.var(sizes) / np.mean(sizes) ** 2) if events > 1 else None
    age = len(values) - int(np.argmax(~np.isnan(values)))
    if frequency is not None and age < min(DAYS / frequency.days, len(values) / 2):
        return DemandPattern("new", adi, cv2, n, events)
    if cv2 is None:
        return DemandPattern("too_few", adi, None, n, 1)
    steady = adi < ADI_CUT
    name = {
        (True, True): "smooth",
        (True, False): "erratic",
        (False, True): "intermittent",
        (False, False): "lumpy",
    }[steady, cv2 < CV2_CUT]
    return DemandPattern(name, adi, cv2, n, events)


def weight_classes(panel: Panel) -> tuple[str, ...]:
    """What the weights of each item go by, (N,): its demand class, of prices one for all."""
    if not panel.is_demand:
        return ("price",) * len(panel.items)
    parts = (some.values for some in in_portions(panel))
    return tuple(demand_pattern(row, panel.frequency).name for part in parts for row in part)
