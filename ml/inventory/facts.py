"""What the forecast stage tells about an item besides its sample paths."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class DemandFacts:
    """What is known of an item's demand and of the model behind its paths.

    Attributes:
        item_id: The item.
        demand_class: smooth, erratic, intermittent, lumpy, no_demand, new, ...
        adi: Mean interval between periods with demand [periods]; not finite = not known.
        cv2: Squared coefficient of variation of the sizes.
        n_obs: Observed periods.
        n_nonzero: Observed periods with demand.
        last_demand: Start of the last period with demand; ``None`` = none.
        model_id: Model of the sample paths.
        model_role: champion, fallback or naive.
        backtest_csl: Service achieved in a backtest at the service target.
        backtest_n: Intervals that it is from.
        whole_units: Whether the item comes in whole units; ``None`` = whether its paths do.
    """

    item_id: str
    demand_class: str | None = None
    adi: float | None = None
    cv2: float | None = None
    n_obs: int = 0
    n_nonzero: int = 0
    last_demand: np.datetime64 | None = None
    model_id: str | None = None
    model_role: str = "champion"
    backtest_csl: float | None = None
    backtest_n: int = 0
    whole_units: bool | None = None
