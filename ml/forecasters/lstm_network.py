"""The Keras network of the LSTM: built and compiled once a process for all panels of one shape.

Compiling takes TensorFlow longer than a small panel takes to learn from, so a network is kept and
started afresh for each fit: what it then learns does not depend on what it had learned before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ml.forecasters.lstm_memory import Weights
from ml.forecasters.silence import without_stderr
from ml.panel import Floats


@dataclass(frozen=True, slots=True)
class Network:
    """A network with its compiled step; ``learn`` and ``predict`` take batches of any size."""

    model: Any  # of Keras
    optimizer: Any  # of Keras
    learn: Callable[..., Any]  # one gradient step on features, labels and weights
    predict: Callable[..., Any]  # logits (n, K, B) of features
    kernels: Sequence[Any]  # variables that features of the past and of targets are multiplied by

    def start(self, seed: int, weights: Weights | None = None, *, untold: int = 0) -> None:
        """Take these weights, or new ones from a seed, and an optimizer without memory.

        The first ``untold`` features are always zero so far: new weights of them are zero as well,
        so that a network that goes on when it is told is what it was.
        """
        keras = load_keras()
        keras.utils.set_random_seed(seed)
        if weights is not None:
            self.model.set_weights(weights)
        else:
            self.model.set_weights(keras.models.clone_model(self.model).get_weights())
            for kernel in self.kernels:
                told = np.arange(kernel.shape[0])[:, None] >= untold
                kernel.assign(np.where(told, kernel.numpy(), np.float32(0)))
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape))

    def chances(self, given: Sequence[Any]) -> Floats:
        """Probability of each bucket at each step of windows, (n, K, B)."""
        odds = np.array(self.predict(*given), np.float64)  # in place: windows have many steps
        odds -= odds.max(axis=2, keepdims=True)
        np.exp(odds, out=odds)
        odds /= odds.sum(axis=2, keepdims=True)
        return odds


@cache
def open_network(units: int, past: int, ahead: int, buckets: int) -> Network:
    """The network for windows with so many features a period and a target, and so many buckets.

    The state that an LSTM of ``units`` reaches at the end of a window, and the features of each
    target, go through two layers to a logit a bucket.
    """
    keras = load_keras()
    import tensorflow as tf

    layers = keras.layers
    window, target = keras.Input((None, past)), keras.Input((None, ahead))
    lstm, told = layers.LSTM(units), layers.Dense(units)
    state = layers.Dense(units)(lstm(window))
    mixed = layers.Add()([layers.Reshape((1, units))(state), told(target)])
    hidden = layers.Dense(units, activation="relu")(layers.Activation("relu")(mixed))
    model = keras.Model([window, target], layers.Dense(buckets)(hidden))
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = [tf.TensorSpec((None, None, width), tf.float32) for width in (past, ahead)]
    label, weight = (tf.TensorSpec((None, None), kind) for kind in (tf.int64, tf.float32))

    @tf.function(autograph=False, input_signature=[*given, label, weight])  # type: ignore[untyped-decorator]
    def learn(seen: Any, coming: Any, true: Any, weights: Any) -> None:
        with tf.GradientTape() as tape:
            error = loss(true, model([seen, coming], training=True), weights)
        gradients = tape.gradient(error, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    @tf.function(autograph=False, input_signature=given)  # type: ignore[untyped-decorator]
    def predict(seen: Any, coming: Any) -> Any:
        return model([seen, coming], training=False)

    return Network(model, optimizer, learn, predict, (lstm.cell.kernel, told.kernel))


def load_keras() -> Any:
    """Keras on TensorFlow, imported without its notes; about five seconds the first time."""
    with without_stderr():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")
        tf.get_logger().setLevel("ERROR")  # it warns of each new model that it compiles
    return keras
