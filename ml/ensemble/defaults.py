"""Mixtures that weights start from: what is robust on panels that nobody has seen.

Simple parts of models of different kinds are hard to beat (Clemen 1989; Smith & Wallis 2009): what
is found on a few origins has to earn its distance from them. The models are those that were good,
or near it, on every open panel of their kind; what does not exist, fails or is hopeless
on a panel takes no part there.
"""

from collections.abc import Sequence

import numpy as np

from ml.panel import Bools, Floats

STEADY = ("smooth", "erratic")  # classes with demand in most periods
# When there is nothing to go by, no origin even.
UNTRIED = {"demand": {"empirical": 0.5, "tsb": 0.5}, "price": {"volatility": 1.0}}
# Parts of the robust models of each kind. At early origins of car parts and auto, half a part for
# the one that knows the item's own past alone was as good or better than a whole one. At those of
# tourism, hospital and auto, the LSTM was a better fourth than ARIMA by 6, 1 and 0.4 % of the WQL.
ROBUST = {
    "sparse": {"trees": 2.0, "lstm": 2.0, "hurdle": 2.0, "empirical": 1.0},
    "steady": {"trees": 1.0, "lstm": 1.0, "combined": 1.0, "shrunk_seasonal": 1.0},
}
FALLBACK = {"demand": "empirical", "price": "volatility"}
NEVER = ("zero",)  # judged with the others, but no part of a forecast: quiet months would choose it
HOPELESS = 1.25  # a model whose score alone exceeds the best one's so many times is left out
SLACK = 0.02  # in units of the item's scale: scores this close to the best are not hopeless


def candidates(alone: Floats, works: Bools, models: Sequence[str]) -> Bools:
    """Models (M,) that may have a share: they work, and their score alone (M,) is not hopeless."""
    able = works & ~np.isin(models, NEVER)
    if not able.any():
        return able
    return np.asarray(able & (alone <= HOPELESS * alone[able].min() + SLACK))


def default_mixture(able: Bools, models: Sequence[str], kind: str, steady: bool) -> Floats:
    """Shares (M,) of the robust models among ``able``; equal ones of all where none is robust.

    Where no model is able at all, and for prices, what serves without a backtest.
    """
    names = np.asarray(models)
    if kind == "price" or not able.any():
        plain = np.array([UNTRIED[kind].get(model, 0.0) for model in models])
        return plain / plain.sum() if plain.any() else (names == FALLBACK[kind]) * 1.0
    parts = ROBUST["steady" if steady else "sparse"]
    chosen = able * np.array([parts.get(model, 0.0) for model in models])
    if not chosen.any():
        chosen = able * 1.0
    return np.asarray(chosen / chosen.sum())


def is_steady(name: str, classes: Sequence[str]) -> bool:
    """Whether a class, or for any other name most of a panel's items, have steady demand."""
    known = np.asarray(classes)
    own = known == name
    return bool(np.isin(known[own] if own.any() else known, STEADY).mean() > 0.5)
