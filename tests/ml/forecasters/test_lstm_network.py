"""A network told of the season later goes on as it was, and says the same without Keras."""

import numpy as np

from ml.forecasters.lstm_network import open_network
from ml.forecasters.lstm_plain import answer, shapes_of


def test_what_a_network_is_told_for_the_first_time_changes_nothing_yet():
    rng = np.random.default_rng(0)
    seen, coming = (rng.normal(size=shape).astype(np.float32) for shape in ((6, 28, 5), (6, 9, 7)))
    network = open_network(8, 5, 7, 4)
    network.start(3, untold=2)
    before = np.asarray(network.predict(seen, coming))
    seen[..., :2], coming[..., :2] = 9.0, -9.0
    np.testing.assert_array_equal(before, network.predict(seen, coming))
    network.start(3)
    assert not np.array_equal(before, network.predict(seen, coming))


def test_numpy_says_what_keras_does():
    rng = np.random.default_rng(1)
    seen, coming = (rng.normal(size=size).astype(np.float32) for size in ((70, 28, 5), (70, 9, 7)))
    network = open_network(8, 5, 7, 4)
    network.start(3)
    weights = [one + rng.normal(0, 0.3, one.shape).astype(np.float32)
               for one in network.model.get_weights()]  # fmt: skip
    assert [one.shape for one in weights] == shapes_of(8, 5, 7, 4)
    network.start(3, weights)
    # Single precision: seven digits of a logit, and the logits are below 10.
    expected = network.chances([seen, coming])
    np.testing.assert_allclose(answer(weights, seen, coming), expected, rtol=0, atol=2e-6)
