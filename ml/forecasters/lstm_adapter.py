"""One global Keras LSTM a panel, which predicts a probability for every bucket and step."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ml.errors import ModelError
from ml.forecasters import lstm_windows as windows
from ml.forecasters.base import N_PATHS, Forecast
from ml.forecasters.lstm_buckets import Buckets, learn_buckets
from ml.forecasters.lstm_sampling import sample_items
from ml.forecasters.quiet import without_deprecations, without_stderr
from ml.panel import Panel
from ml.seeds import number

Floats = npt.NDArray[np.float64]
MIN_WINDOWS = 32
PREDICT_BATCH = 1024


@dataclass(frozen=True, slots=True)
class LstmForecaster:
    """Settings of the network.

    Attributes:
        horizon: Longest step that it learns; it predicts no further.
        units: Width of the recurrent layer.
        epochs: Passes over the training windows.
        batch: Windows a gradient step.
        most_windows: Windows that are trained on; drawn at random where there are more.
        learning_rate: Of Adam.
        seed: Of initial weights, order and drawn windows.
    """

    horizon: int
    units: int = 48
    epochs: int = 6
    batch: int = 256
    most_windows: int = 50_000
    learning_rate: float = 3e-3
    seed: int = 0
    name: ClassVar[str] = "lstm"

    def fit(self, panel: Panel) -> "FittedLstm":
        """See :class:`ml.forecasters.base.Forecaster`.

        Raises:
            ModelError: The panel has fewer than ``MIN_WINDOWS`` windows to learn from.
        """
        keras = load_keras()
        scale = windows.learn_scale(panel)
        table = windows.scaled(panel, self.horizon, scale.of(panel))
        rng = np.random.default_rng(number(self.seed, "lstm", panel.kind))
        rows, origins = windows.learnable_origins(table, len(panel.periods))
        if len(rows) < MIN_WINDOWS:
            raise ModelError(f"lstm needs {MIN_WINDOWS} windows to learn from, has {len(rows)}")
        if len(rows) > self.most_windows:
            chosen = np.sort(rng.choice(len(rows), self.most_windows, replace=False))
            rows, origins = rows[chosen], origins[chosen]
        steps = windows.drawn_steps(rng, len(rows), self.horizon)
        seen, spread = windows.inputs(table, rows, origins)
        truth = windows.targets(table, rows, origins, steps, spread)
        buckets = learn_buckets(truth[~np.isnan(truth)], zero=panel.is_demand)
        ahead = windows.target_features(table, rows, origins, steps, self.horizon)
        keras.utils.set_random_seed(number(self.seed, "lstm", bits=32))
        network = _network(self, seen.shape[1:], ahead.shape[2], buckets.count)
        label, weight = windows.labels(buckets, truth)
        network.fit(
            [seen, ahead], label, sample_weight=weight, batch_size=self.batch,
            epochs=self.epochs, verbose=0, shuffle=True,
        )  # fmt: skip
        return FittedLstm(self, panel, network, buckets, scale)

    def load(self, folder: Path, panel: Panel) -> "FittedLstm":
        """See :class:`ml.forecasters.base.Forecaster`."""
        keras = load_keras()
        plain = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        config = LstmForecaster(**plain["config"])
        with without_deprecations():
            network = keras.models.load_model(folder / "network.keras")
        buckets = Buckets.from_json(plain["buckets"])
        return FittedLstm(config, panel, network, buckets, windows.Scale(**plain["scale"]))


@dataclass(frozen=True, slots=True)
class FittedLstm:
    """A trained network with the panel that it was trained on."""

    config: LstmForecaster
    panel: Panel
    network: Any
    buckets: Buckets
    scale: windows.Scale

    def distribution(self, panel: Panel) -> "LstmDistribution":
        """Bucket probabilities of every item of ``panel`` after its end.

        Args:
            panel: Any items over the time span that was fitted on.
        """
        scales = self.scale.of(panel)
        table = windows.scaled(panel, self.config.horizon, scales)
        rows = np.arange(len(panel.items))
        origins = np.full(len(rows), len(panel.periods) - 1)
        seen, spread = windows.inputs(table, rows, origins)
        steps = np.tile(np.arange(1, self.config.horizon + 1), (len(rows), 1))
        ahead = windows.target_features(table, rows, origins, steps, self.config.horizon)
        logits = self.network.predict([seen, ahead], batch_size=PREDICT_BATCH, verbose=0)
        odds = np.exp(logits - logits.max(axis=2, keepdims=True))
        probabilities = odds / odds.sum(axis=2, keepdims=True)
        return LstmDistribution(
            panel, self.buckets, probabilities.astype(np.float32), scales * spread
        )

    def predict(
        self, items: Sequence[str], horizon: int, *, seed: int, n_paths: int = N_PATHS
    ) -> Forecast:
        """See :class:`ml.forecasters.base.Fitted`."""
        return self.distribution(self.panel.select(items)).predict(
            items, horizon, seed=seed, n_paths=n_paths
        )

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`."""
        folder.mkdir(parents=True, exist_ok=True)
        with without_deprecations():
            self.network.save(folder / "network.keras")
        config = {name: getattr(self.config, name) for name in self.config.__slots__}
        plain = {
            "config": config,
            "buckets": self.buckets.to_json(),
            "scale": {"as_is": self.scale.as_is, "typical": self.scale.typical},
        }
        (folder / "model.json").write_text(json.dumps(plain), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class LstmDistribution:
    """What a trained network says of each item; needs no TensorFlow to draw from.

    Attributes:
        panel: The items, with their history.
        buckets: Ranges of values.
        probabilities: (N, H, B).
        spreads: (N,) unit of the bucket values: the item's scale, or the window's volatility.
    """

    panel: Panel
    buckets: Buckets
    probabilities: npt.NDArray[np.float32]
    spreads: Floats

    def predict(
        self, items: Sequence[str], horizon: int, *, seed: int, n_paths: int = N_PATHS
    ) -> Forecast:
        """See :class:`ml.forecasters.base.Fitted`."""
        if horizon > self.probabilities.shape[1]:
            raise ValueError(
                f"the network learned {self.probabilities.shape[1]} steps, not {horizon}"
            )
        return sample_items(self, items, horizon, seed=seed, n_paths=n_paths)


def load_keras() -> Any:
    """Keras on TensorFlow, imported without its notes; about five seconds the first time."""
    with without_stderr():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")
        tf.get_logger().setLevel("ERROR")  # it warns of each new model that it compiles
    return keras


def _network(config: LstmForecaster, seen: tuple[int, ...], ahead: int, count: int) -> Any:
    """State of the past plus features of the target step, through two layers, to the buckets."""
    keras = load_keras()
    layers = keras.layers
    past = keras.Input(seen)
    future = keras.Input((None, ahead))
    state = layers.LSTM(config.units)(past)
    mixed = layers.Add()(
        [
            layers.Reshape((1, config.units))(layers.Dense(config.units)(state)),
            layers.Dense(config.units)(future),
        ]
    )
    hidden = layers.Dense(config.units, activation="relu")(layers.Activation("relu")(mixed))
    network = keras.Model([past, future], layers.Dense(count)(hidden))
    network.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return network
