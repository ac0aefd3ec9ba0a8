"""What results depend on beside data: draws that go by names, never by position, and the code."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that belongs to these names, for example a model and an item.

    >>> generator(0, "tsb", "A").random() == generator(0, "tsb", "A").random()
    True
    """
    return np.random.default_rng(number(seed, *names))


def number(seed: int, *names: str, bits: int = 64) -> int:
    """A number of so many bits that belongs to these names."""
    text = "\x1f".join((str(seed), *names)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[: bits // 8], "big")


def latin_uniforms(rng: np.random.Generator, n_paths: int, horizon: int) -> npt.NDArray[np.float64]:
    """Uniform numbers of which each column fills (0, 1) evenly, shape (n_paths, horizon).

    Latin hypercube: every column holds one number in each of ``n_paths`` equal strata, in an
    order of its own, so that marginal quantiles carry almost no sampling noise.
    """
    strata = rng.permuted(np.tile(np.arange(n_paths), (horizon, 1)), axis=1)
    return ((strata + rng.random((horizon, n_paths))) / n_paths).T


@cache
def code_version() -> str:
    """Version of the project, and eight digits of the code that computes.

    The digits change with any edit below ``ml/``, so nothing made by other code passes for ours.
    """
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    try:
        release = version("previsor")
    except PackageNotFoundError:
        release = "0"
    return f"{release}+{digest.hexdigest()[:8]}"
