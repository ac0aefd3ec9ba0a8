"""The dirt of the item file: families spelled in other ways, names told apart by a blank only."""

import numpy as np
import pandas as pd

from pipelines.sample_data.streams import stream

FAMILY_SHARE = 0.05
NEAR_PAIRS_SHARE = 0.03
SPELLINGS = (str.upper, str.title, "{} ".format)
TRUTH_COLUMNS = ("kind", "item_id", "column", "true", "written")


def plant_item_dirt(items: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The item file as written, and one truth row a changed cell.

    Args:
        items: The clean table, with ``item_id``, ``name`` and ``family``.
        seed: Of the draws.

    Returns:
        The file; and ``kind`` (``family_spelling`` or ``near_equal_name``), ``item_id``,
        ``column``, and what is ``true`` and what is ``written``.
    """
    rng = stream(seed, "item dirt")
    written, truth = items.copy(), []
    for n, row in enumerate(_rows(rng, len(items), FAMILY_SHARE)):
        family = str(items["family"].iloc[row])
        truth.append(("family_spelling", row, "family", SPELLINGS[n % len(SPELLINGS)](family)))
    for row in _rows(rng, len(items) - 1, NEAR_PAIRS_SHARE):
        twin = str(items["name"].iloc[row]).replace(" ", "_")
        if " " in str(items["name"].iloc[row]):
            truth.append(("near_equal_name", row + 1, "name", twin))
    records = []
    for kind, row, column, text in truth:
        label = items.index[row]
        true = items.loc[label, column]
        records.append((kind, items.loc[label, "item_id"], column, true, text))
        written.loc[label, column] = text
    return written, pd.DataFrame(records, columns=list(TRUTH_COLUMNS))


def _rows(rng: np.random.Generator, total: int, share: float) -> list[int]:
    count = min(max(round(share * total), 1), max(total, 0))
    return sorted(int(row) for row in rng.choice(total, count, replace=False))
