"""What the networks of a panel know at a cutoff, kept for a later one to go on from.

To learn a panel afresh at every cutoff takes most of a run's time, though a horizon changes a
long history by little. Networks never see what came after their own cutoff, so those of an earlier
one may be the beginning of a later one's; the other way round is not asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.durable import staged
from ml.forecasters.base import Fitted
from ml.forecasters.bucket_distribution import Buckets, FittedBuckets

Weights = Sequence[npt.NDArray[np.float32]]
"""Of a network, layer by layer."""
MEMORY = "networks.npz"
SEASON = "season"  # may be told later: until then its weights are zero
# One pass at half the rate was as good as learning afresh (early origins of car parts: .8604 and
# .8618 of the WQL); where the windows had doubled since (auto, 9 months and 12), a twentieth worse.
MOSTLY_SEEN = 0.75


@dataclass(frozen=True, slots=True)
class Memory:
    """What networks have learned, and from what."""

    networks: tuple[Weights, ...]  # weights of each
    buckets: Buckets  # that they predict
    drawn: Buckets  # the same, with the values that are drawn of them
    windows: int  # that they learned from
    told: tuple[str, ...]  # what features told them of

    def fits(self, told: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> bool:
        """Whether networks with weights of these shapes, told of these, are those that learned."""
        mine = [one.shape for one in self.networks[0]]
        return mine == list(shapes) and self.told == tuple(told)

    def serves(self, windows: int, told: Sequence[str], weights: Weights) -> bool:
        """Whether networks of this build may go on from here, on so many windows."""
        known = tuple(one for one in told if one in self.told or one != SEASON)
        shapes = [one.shape for one in weights]
        return self.fits(known, shapes) and self.windows >= MOSTLY_SEEN * windows

    def save(self, folder: Path) -> None:
        """Write arrays without objects, for :func:`recall`."""
        layers: dict[str, Any] = {
            f"network{number}_{layer:02d}": values
            for number, weights in enumerate(self.networks)
            for layer, values in enumerate(weights)
        }
        with staged(folder / MEMORY) as file:
            np.savez(
                file, edges=self.buckets.edges, points=self.buckets.points,
                drawn=self.drawn.points, windows=self.windows,
                told=np.array(self.told, dtype=np.str_), **layers,
            )  # fmt: skip


def recall(start: Fitted | None) -> Memory | None:
    """What the networks of a model that was loaded know; ``None`` where nothing is kept."""
    folder = start.folder if isinstance(start, FittedBuckets) else None
    if folder is None or not (folder / MEMORY).exists():
        return None
    with np.load(folder / MEMORY, allow_pickle=False) as kept:
        layers: dict[str, list[npt.NDArray[np.float32]]] = {}
        for name in sorted(kept.files):
            if name.startswith("network"):
                layers.setdefault(name.partition("_")[0], []).append(kept[name])
        return Memory(
            networks=tuple(layers.values()),
            buckets=Buckets(kept["edges"], kept["points"]),
            drawn=Buckets(kept["edges"], kept["drawn"]),
            windows=int(kept["windows"]),
            told=tuple(kept["told"].tolist()),
        )
