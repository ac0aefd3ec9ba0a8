"""Demand classes by interval and size variation.

Source: Syntetos, Boylan & Croston (2005), *On the categorization of demand patterns*, JORS 56:
cut-offs 1.32 for the mean interval (ADI) and 0.49 for the squared variation of sizes (CV²).
"""

from dataclasses import dataclass

import numpy as np

from ml.panel import Floats

ADI_CUT, CV2_CUT = 1.32, 0.49


@dataclass(frozen=True, slots=True)
class DemandPattern:
    """What a class is made of."""

    name: str  # smooth, erratic, intermittent, lumpy, too_few or no_demand
    adi: float | None  # observed periods per period with demand; null without demand
    # squared coefficient of variation of the non-zero demands; null below two demands
    cv2: float | None
    n_obs: int  # observed periods
    n_nonzero: int  # periods with demand


def demand_pattern(values: Floats) -> DemandPattern:
    """The pattern of one series (T,), NaN = not observed.

    >>> demand_pattern(np.array([0.0, 2.0, 0.0, 2.0])).name  # every second period, one size
    'intermittent'
    """
    seen = values[~np.isnan(values)]
    sizes = seen[seen > 0]
    n, events = len(seen), len(sizes)
    if events == 0:
        return DemandPattern("no_demand", None, None, n, 0)
    adi = n / events
    if events == 1:
        return DemandPattern("too_few", adi, None, n, 1)
    cv2 = float(np.var(sizes) / np.mean(sizes) ** 2)
    steady = adi < ADI_CUT
    name = {
        (True, True): "smooth",
        (True, False): "erratic",
        (False, True): "intermittent",
        (False, False): "lumpy",
    }[steady, cv2 < CV2_CUT]
    return DemandPattern(name, adi, cv2, n, events)
