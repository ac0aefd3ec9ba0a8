"""What all items of demand files together say, gathered some items at a time."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.intake import series
from pipelines.intake.demand_rows import Bools, DemandPortions
from pipelines.intake.periods import rhythm_of
from pipelines.intake.series import KEY, USABLE, Y

_FIRST = 3  # repeated rows that are shown


@dataclass(frozen=True, slots=True)
class DemandSurvey:
    """What the rows of all items say together; but for ``usable``, of those that are usable."""

    usable: Bools  # of each item
    rhythm: pl.DataFrame  # of each item, as of rhythm_of, with its `place` among all
    days: pl.Series  # the days of all items, each once, sorted
    rows: int
    repeats: int  # rows with the item, site and day of one before
    repeated: pl.DataFrame  # item and day of the first of them
    zeros: int  # rows that say 0
    observed: int  # rows that say a number
    has_sites: bool  # whether any row names a site


def survey_portions(portions: DemandPortions) -> DemandSurvey:
    """Go through all portions."""
    usable, rhythm, repeated, sums = [], [], [], []
    days = pl.Series("ds", [], pl.Date)
    repeats = 0
    for portion in range(len(portions.spans)):
        rows = portions.frame(portion)
        summed = series.add_up(rows)
        found = series.find_usable(summed)
        usable.append(found["usable"].to_numpy())
        if not found["usable"].all():
            rows, summed = (
                one.join(found.filter(USABLE), on="item_id", how="semi", maintain_order="left")
                for one in (rows, summed)
            )
        rhythm.append(rhythm_of(summed.select(KEY)).with_columns(
            place=pl.col("item_id").to_physical(), item_id=pl.col("item_id").cast(pl.String)
        ))  # fmt: skip
        days = pl.concat([days, summed["ds"].unique()]).unique()
        if rows.height > summed.height:
            again = series.find_repeats(rows, [*KEY, "site_id"])
            repeats += again.height
            repeated.append(again.head(_FIRST).cast({"item_id": pl.String}))
        sums.append(rows.select(
            rows=pl.len(), zeros=(Y == 0).sum(), observed=Y.count(),
            sites=(pl.col("site_id") != "").sum(),
        ))  # fmt: skip
    rows, zeros, observed, sites = pl.concat(sums).cast(pl.Int64).sum().row(0)
    return DemandSurvey(
        np.concatenate(usable), pl.concat(rhythm), days.sort(), rows, repeats,
        pl.concat([pl.DataFrame(schema={"item_id": pl.String, "ds": pl.Date}), *repeated]),
        zeros, observed, bool(sites),
    )  # fmt: skip
