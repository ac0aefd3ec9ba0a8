"""The series themselves as rows, so that a version can be drawn without the user's files."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ml.contracts.history import HISTORY
from ml.panel import Panel
from ml.run.plan import PanelPlan
from ml.run.rows import as_table

# Periods told of each series: 400 days (of five a week: 286), 104 weeks, 36 months.
LONGEST = {"D": 400, "B": 286, "W": 104, "MS": 36}
CHUNK = 1024  # items at a time


def history_rows(plans: Sequence[PanelPlan], source: Mapping[str, str]) -> Iterator[pa.Table]:
    """Rows of HISTORY of the wanted items of all panels, in chunks in the order of their ids.

    An item begins with its first observation. ``source`` says of each kind who its data are from.
    """
    placed = sorted((item, place) for place, plan in enumerate(plans) for item in plan.wanted)
    yield HISTORY.schema.empty_table()
    for start in range(0, len(placed), CHUNK):
        own = placed[start : start + CHUNK]
        parts = [
            _rows(plan.panel.select([item for item, of in own if of == place]), source)
            for place, plan in enumerate(plans)
        ]
        yield pa.concat_tables(parts)


def _rows(panel: Panel, source: Mapping[str, str]) -> pa.Table:
    """Rows of a panel's last periods."""
    kept = slice(-LONGEST[panel.frequency.value], None)
    y, used = panel.recorded[:, kept], panel.values[:, kept]
    share = np.round(1.0 - panel.exposure[:, kept], 6)
    begun = np.maximum.accumulate(~np.isnan(panel.values), axis=1)[:, kept]
    rows, places = np.nonzero(begun)
    columns = {
        "item_id": np.asarray(panel.items, dtype=object)[rows],
        "ds": panel.periods[kept][places].astype("datetime64[us]"),
        "frequency": [panel.frequency.value] * len(rows),
        "kind": [panel.kind] * len(rows),
        "unit": np.asarray(panel.units, dtype=object)[rows],
        "y": pa.array(y[rows, places], from_pandas=True),
        "is_stockout": share[rows, places] > 0.0,
        "stockout_share": share[rows, places],
        "y_used": pa.array(used[rows, places], from_pandas=True),
        "source": [source[panel.kind]] * len(rows),
    }
    return as_table(columns, HISTORY)
