"""Parameters of the generator, and independent random streams, so that parts change alone."""

import tomllib
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]
PARAMETERS = tomllib.loads(Path(__file__).with_name("parameters.toml").read_text(encoding="utf-8"))


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of the part called ``name``; the same seed and name give the same draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def autoregressive(innovations: Floats, persistence: float) -> Floats:
    """First-order autoregression of unit variance along the last axis, started in equilibrium.

    ``innovations`` are independent draws of unit variance, shape (..., T); ``persistence`` is the
    correlation of neighbours, in (-1, 1).
    """
    scaled = innovations * np.sqrt(1 - persistence**2)
    scaled[..., 0] = innovations[..., 0]
    return lfilter([1.0], [1.0, -persistence], scaled, axis=-1)


def day_of_year(days: Days) -> Ints:
    """Day of the year, 1 January = 1."""
    return (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1
