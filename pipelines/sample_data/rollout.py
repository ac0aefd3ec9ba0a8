"""The 5G roll-out: sites, the ramp around each, and the accesses that the regulator counts."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample_data.streams import Days, Floats, logistic, stream


@dataclass(frozen=True, slots=True)
class Site:
    """A depot that parts leave from, its pull on demand, and when 5G reaches its towers."""

    site_id: str
    weight: float
    ramp_start: np.datetime64


SITES = (
    Site("SSA-01", 3.0, np.datetime64("2022-07-01")),
    Site("SSA-02", 1.5, np.datetime64("2022-10-01")),
    Site("FEC-01", 1.2, np.datetime64("2023-09-01")),
    Site("LEM-01", 0.6, np.datetime64("2024-03-01")),
    Site("IOS-01", 0.8, np.datetime64("2024-07-01")),
    Site("VDC-01", 0.9, np.datetime64("2024-11-01")),
    Site("JUA-01", 0.7, np.datetime64("2025-05-01")),
    Site("BRA-01", 0.6, np.datetime64("2026-01-01")),
)
STATES = {
    "BA": (2.6e6, np.datetime64("2022-08-01")),
    "CE": (1.6e6, np.datetime64("2022-09-01")),
    "PE": (1.7e6, np.datetime64("2022-08-15")),
    "RJ": (4.9e6, np.datetime64("2022-07-15")),
    "SP": (14.0e6, np.datetime64("2022-07-01")),
}
"""Accesses at the end of the ramp, and when it starts in the capital."""
JITTER_DAYS = 45.0
SCALES = (60.0, 120.0)  # [days]
MIDDLE = 2.0  # scales from the start of a ramp to its middle
STATE_SCALE = 330.0  # a whole state takes longer than one town [days]


def site_ramps(days: Days, seed: int) -> Floats:
    """How far 5G has come around each site, 0 to 1, shape (K, T)."""
    rng = stream(seed, "5G sites")
    ramps = []
    for site in SITES:
        scale = rng.uniform(*SCALES)
        middle = rng.normal(MIDDLE * scale, JITTER_DAYS)
        ramps.append(logistic(((days - site.ramp_start).astype(float) - middle) / scale))
    return np.stack(ramps)


def state_accesses(months: Days, seed: int) -> dict[str, Floats]:
    """5G accesses of each state at the end of each month, never falling, shape (M,)."""
    rng = stream(seed, "5G states")
    accesses = {}
    for state, (total, start) in STATES.items():
        middle = MIDDLE * STATE_SCALE
        ramp = logistic(((months - start).astype(float) + 30 - middle) / STATE_SCALE)
        noise = np.exp(rng.normal(0, 0.01, len(months)))
        accesses[state] = np.maximum.accumulate(total * ramp * noise).round()
    return accesses
