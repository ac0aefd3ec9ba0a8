"""What drivers contribute to the items of a panel, seen from any origin.

One rule serves the past and the future of a window: at origin o a past-only driver with a
publication lag is known up to o - lag; after that its contribution fades by its persistence,
because that is what can be expected of it. Future-known drivers are known at every period.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drivers:
    """Contributions of F features in G groups to the C demand classes of a panel.

    Attributes:
        groups: G names.
        features: F names.
        contribution: (C, T + R, F) effect on the log of the rate (demand), or expected change in
            units of the item's volatility (price); 0 at the feature's mean. R periods reach
            beyond the cutoff; there only future-known features are filled.
        group_of: (F,) position of each feature's group.
        ahead: (F,) whether the feature is known in advance.
        persistence: (F,) share of a contribution that is left after a period.
        lag: (F,) periods until a value is known.
        last: Position of the cutoff, T - 1.
        class_of: (N,) position of each item's class.
        changes: Whether contributions are to changes (prices) rather than to levels.
    """

    groups: tuple[str, ...]
    features: tuple[str, ...]
    contribution: Floats
    group_of: Ints
    ahead: Bools
    persistence: Floats
    lag: Ints
    last: int
    class_of: Ints
    changes: bool = False

    def rows(self, rows: Sequence[int]) -> "Drivers":
        """Only the items at these positions."""
        return replace(self, class_of=self.class_of[list(rows)])

    def behind(self, periods: int) -> "Drivers":
        """The same after so many earlier periods in which nothing is known to contribute."""
        front = np.zeros((len(self.contribution), periods, self.contribution.shape[2]))
        longer = np.concatenate([front, self.contribution], axis=1)
        return replace(self, contribution=longer, last=self.last + periods)

    def seen_from(self, rows: Ints, origins: Ints, places: Ints) -> npt.NDArray[np.float32]:
        """Contribution of each group at ``places`` as it is expected at ``origins``.

        Args:
            rows: (n,) items.
            origins: (n,) last period that is known.
            places: (n, L) periods, before or after the origin.

        Returns:
            (n, L, G).
        """
        found = np.zeros((*places.shape, len(self.groups)), np.float32)
        classes = self.class_of[rows][:, None]
        for feature, group in enumerate(self.group_of):
            known = np.minimum(places, self.contribution.shape[1] - 1)
            if not self.ahead[feature]:
                known = np.clip(places, 0, np.maximum(origins - self.lag[feature], 0)[:, None])
            fade = self.persistence[feature] ** np.maximum(places - known, 0)
            found[..., group] += self.contribution[classes, known, feature] * fade
        return found

    def ahead_of(self, rows: Ints, origins: Ints, steps: Ints) -> npt.NDArray[np.float32]:
        """Contribution of each group to the level at ``steps`` (n, K) after origins, (n, K, G).

        Contributions to changes are summed from the origin on.
        """
        if not self.changes:
            return self.seen_from(rows, origins, origins[:, None] + steps)
        every = origins[:, None] + np.arange(1, int(steps.max()) + 1)
        summed = np.cumsum(self.seen_from(rows, origins, every), axis=1)
        return np.take_along_axis(summed, steps[..., None] - 1, axis=1)

    def index(self, row: int, horizon: int) -> Floats:
        """Contribution of each group to one item over history and horizon, (T + H, G).

        Contributions to changes are summed up to levels.
        """
        places = np.arange(self.last + 1 + horizon)[None, :]
        seen = self.seen_from(np.array([row]), np.array([self.last]), places)[0]
        index = seen.astype(np.float64)
        return np.cumsum(index, axis=0) if self.changes else index
