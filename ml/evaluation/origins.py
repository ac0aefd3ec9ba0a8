"""Rolling origins: the cutoffs at which models are tried before they are trusted.

|----------- train -----------|-- H --|
|------- train -------|-- H --|
|--- train ---|-- H --|
"""

import numpy as np

from ml.panel import Panel

MOST = {"demand": 3, "price": 6}
LEAST_TRAIN = 8


def cutoffs(panel: Panel, horizon: int) -> tuple[np.datetime64, ...]:
    """Cutoffs of the backtest, latest first; none where the history is too short for any.

    Origins lie one horizon apart as long as two horizons of history are left to learn from. A
    history that is too short for two of them is tried half a horizon back as well, and one that
    is too short for any at a quarter of its length.
    """
    length = len(panel.periods)
    ends = [length - horizon * k for k in range(1, MOST[panel.kind] + 1)]
    kept = [end for end in ends if end >= max(2 * horizon, LEAST_TRAIN)]
    if len(kept) < 2:
        kept += [end for end in (length - max(horizon // 2, 1),) if end >= 2 * horizon]
    if not kept and length - length // 4 >= LEAST_TRAIN:
        kept = [length - max(length // 4, 1)]
    unique = sorted({end for end in kept if LEAST_TRAIN <= end < length}, reverse=True)
    return tuple(panel.periods[end - 1] for end in unique)
