"""A forecast in the form that all models are scored in."""

from dataclasses import dataclass

import numpy as np

from ml.contracts.forecasts import CUMULATIVE_QUANTILES, QUANTILES
from ml.panel import Floats

LEVELS = QUANTILES
SUM_LEVELS = CUMULATIVE_QUANTILES
TAIL = (0.8, 0.9, 0.95, 0.99)  # those of cumulative demand that stock depends on
SUMS = ("first sum", "second sum")  # of demand over the periods that the dataset names
OURS, REFERENCE, PEER = "ours", "reference", "peer"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model says of N items."""

    model: str  # name
    kind: str  # `ours`, `reference` or `peer`
    quantiles: Floats  # (N, H, L) at `LEVELS`
    mean: Floats  # (N, H)
    # (N, 2, C) quantiles at `SUM_LEVELS` of the demand of the case's `sums`; `None` where a model
    # says nothing of it
    sums: Floats | None
    seconds: float | None = None  # what it took; `None` where nobody stopped the time
    # share of the items that the model itself forecast; another one stood in for the rest
    own: float = 1.0

    @property
    def complete(self) -> bool:
        """Whether every number is there."""
        known = np.isfinite(self.quantiles).all() and np.isfinite(self.mean).all()
        return bool(known and (self.sums is None or np.isfinite(self.sums).all()))
