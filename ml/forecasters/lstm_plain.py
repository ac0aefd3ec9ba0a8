"""What the network of the LSTM says, worked out in NumPy.

Whoever asks what networks know of the newest windows needs no TensorFlow, which takes longer to
import than most panels take to be told of. The arithmetic is that of Keras' layers, in single
precision: its probabilities differ by what rounding does.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from ml.forecasters import lstm_windows as windows
from ml.forecasters.lstm_memory import Weights
from ml.forecasters.lstm_training import PREDICT_BATCH, Lessons
from ml.panel import Floats

TOGETHER = 64  # windows whose targets are worked out at once: they stay in the processor's cache


def shapes_of(units: int, past: int, ahead: int, buckets: int) -> list[tuple[int, ...]]:
    """Of the weights of a network with so many features and buckets, layer by layer."""
    lstm = [(past, 4 * units), (units, 4 * units), (4 * units,)]
    state, told = [(units, units), (units,)], [(ahead, units), (units,)]
    return [*lstm, *state, *told, (units, units), (units,), (units, buckets), (buckets,)]


def average_answers(networks: Sequence[Weights], asked: Lessons, every: int = 1) -> Floats:
    """Mean of the probabilities of several networks, (n, K, B), of each ``every``-th window.

    A batch of windows passes all networks before the next one, so few are in memory. The last
    bucket of sizes is for items whose unit is not known (:func:`learn_buckets`), and impossible for
    all others: a hundredth of it would be most of what they expect.
    """
    parts = []
    for first in range(0, len(asked.rows), PREDICT_BATCH):
        batch = slice(first, first + PREDICT_BATCH)
        chosen = np.arange(len(asked.rows))[batch][-first % every :: every]
        own = asked.pick(chosen)
        given = own.features()
        odds = np.mean([answer(weights, *given) for weights in networks], axis=0)
        odds[windows.know_units(own.table, own.rows, own.origins), :, -1] = 0
        parts.append(odds / odds.sum(axis=2, keepdims=True))
    return np.concatenate(parts)


def answer(weights: Weights, seen: windows.Float32s, coming: windows.Float32s) -> Floats:
    """Probability of each bucket at each target (n, K, B).

    Args:
        weights: Of a network.
        seen: (n, L, F) features of the past.
        coming: (n, K, G) features of the targets.
    """
    lstm, (mix, mix_bias, told, told_bias), last = weights[:3], weights[3:7], weights[7:]
    state = _read(lstm, seen) @ mix + mix_bias
    hidden, hidden_bias, out, out_bias = last
    found = np.empty((*coming.shape[:2], len(out_bias)))
    for first in range(0, len(seen), TOGETHER):
        own = slice(first, first + TOGETHER)
        mixed = np.maximum(coming[own] @ told + told_bias + state[own, None], 0)
        logits = np.maximum(mixed @ hidden + hidden_bias, 0) @ out + out_bias
        odds = np.exp(logits.astype(np.float64) - logits.max(axis=2, keepdims=True))
        found[own] = odds / odds.sum(axis=2, keepdims=True)
    return found


def _read(lstm: Weights, seen: windows.Float32s) -> windows.Float32s:
    """The state (n, units) that an LSTM reaches at the end of windows."""
    kernel, recurrent, bias = lstm
    units = len(recurrent)
    state = np.zeros((len(seen), units), np.float32)
    memory = np.zeros_like(state)
    for period in range(seen.shape[1]):
        gates = seen[:, period] @ kernel + state @ recurrent + bias
        come, stay, go = (expit(gates[:, part * units : (part + 1) * units]) for part in (0, 1, 3))
        memory = stay * memory + come * np.tanh(gates[:, 2 * units : 3 * units])
        state = go * np.tanh(memory)
    return state
