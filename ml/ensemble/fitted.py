"""What the backtest found of a panel's ensemble, as it is saved and used."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml.ensemble.calibration import Spreads


@dataclass(frozen=True, slots=True)
class FittedEnsemble:
    """How the models of a panel are combined.

    Attributes:
        weights: Share of each model by class, under ``*`` for the panel.
        spreads: How far the mixture's intervals are stretched by class; empty for prices.
    """

    weights: Mapping[str, Mapping[str, float]]
    spreads: Spreads
