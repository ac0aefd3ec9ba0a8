"""What the features were at a cutoff: one matrix of days by features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.features.declarations import Feature
from ml.frequency import Days

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """All that could be known of the features at one cutoff, for one region.

    Attributes:
        features: F features, in the order of their declaration.
        days: (T,) consecutive days.
        values: (T, F), NaN = not known at the cutoff. Read-only.
        statements: What a reader has to know: regions that stand in, series without a value.
        regions: F names of what each feature is of: a city, a state, ``mean``; ``None`` =
            national. Empty where nobody needs them.
        publishers: F names of who published what it is made of, ``None`` = computed.
    """

    features: tuple[Feature, ...]
    days: Days
    values: Floats
    statements: tuple[str, ...] = ()
    regions: tuple[str | None, ...] = ()
    publishers: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a frame whose parts do not fit each other."""
        shape = (len(self.days), len(self.features))
        if self.values.shape != shape:
            raise ValueError(f"values must be {shape}, got {self.values.shape}")
        for name, per_feature in (("regions", self.regions), ("publishers", self.publishers)):
            if per_feature and len(per_feature) != len(self.features):
                raise ValueError(f"{name} must have {len(self.features)} entries or none")
        self.values.flags.writeable = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    def column(self, name: str) -> Floats:
        """The values of one feature, shape (T,).

        Raises:
            ValueError: The frame does not have it.
        """
        if name not in self.names:
            raise ValueError(f"the frame has no feature '{name}', it has {list(self.names)}")
        return self.values[:, self.names.index(name)]
