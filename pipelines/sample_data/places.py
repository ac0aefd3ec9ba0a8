"""Where the files of a sample lie; apart from what makes and what writes them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """Where the files of a sample lie; ``outside`` and ``truth`` are folders."""

    demand: Path
    items: Path
    inventory: Path
    prices: Path
    open_orders: Path
    receipts: Path
    suppliers: Path
    exposure: Path
    outside: Path
    truth: Path


def sample_paths(folder: Path) -> SampleFiles:
    """Where the files of a sample in ``folder`` lie, written or not."""
    names = ("demand", "items", "inventory", "prices", "open_orders", "receipts", "suppliers")
    tables = {name: folder / f"{name}.csv" for name in (*names, "exposure")}
    return SampleFiles(**tables, outside=folder / "outside", truth=folder / "truth")
