"""What each site asked for lately: how the demand of an item divides over its sites."""

from datetime import date

import polars as pl
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.demand import SITE_DEMAND
from pipelines.intake.periods import Inferred, on_periods
from pipelines.intake.quarantine import to_arrow
from pipelines.intake.series import Y

WINDOW = 365  # days until the last one of the file
_SITE = ["item_id", "location_id"]
_UNITS = pl.col("units")


def count_by_site(rows: pl.DataFrame, until: date, inferred: Inferred, where: str) -> pa.Table:
    """Rows of SITE_DEMAND of some usable items, until the last day of all items.

    Returns are netted within item, site and period. Rows without a site count as one without name.
    """
    rows = rows.filter(pl.col("ds") > pl.lit(until) - pl.duration(days=WINDOW), Y.is_not_null())
    rows = on_periods(rows.rename({"site_id": "location_id"}), inferred.frequency, inferred.anchor)
    cells = (
        rows.sort(*_SITE, "ds", "y")  # sums do not depend on the order of the rows
        .group_by(*_SITE, "ds", maintain_order=True)
        .agg(x=Y.sum().clip(lower_bound=0.0))
    )
    sites = cells.group_by(_SITE, maintain_order=True).agg(
        units=pl.col("x").sum(), demands=(pl.col("x") > 0).sum().cast(pl.Int64)
    )
    table = sites.join(_units_together(cells), on="item_id", how="left", maintain_order="left")
    table = table.with_columns(
        pl.col("item_id").cast(pl.String),
        since=pl.lit(until) - pl.duration(days=WINDOW - 1),
        until=pl.lit(until),
    )
    return check(to_arrow(table.select(SITE_DEMAND.names)), SITE_DEMAND, where=where)


def _units_together(cells: pl.DataFrame) -> pl.DataFrame:
    """Of each item the units that go to one site together, from ``x`` by item, site and period.

    Pearson's statistic of the division over its degrees of freedom (McCullagh and Nelder 1989,
    section 5.5): 1 where each unit goes by itself with the site's chance, b where b of them do.
    """
    x = pl.col("x")
    cells = cells.filter(x > 0).with_columns(
        period=x.sum().over("item_id", "ds"), site=x.sum().over(_SITE)
    )
    items = cells.group_by("item_id", maintain_order=True).agg(
        units=x.sum(),
        squares=(x**2 / pl.col("period") / pl.col("site")).sum(),
        freedom=(pl.col("ds").n_unique().cast(pl.Int64) - 1)
        * (pl.col("location_id").n_unique().cast(pl.Int64) - 1),
    )
    # The sum over sites and periods of (x - pD)^2 / pD, p = site / units, is this.
    pearson = _UNITS * pl.col("squares") - _UNITS
    together = pl.when(pl.col("freedom") > 0).then((pearson / pl.col("freedom")).clip(1.0))
    return items.select("item_id", units_together=together)
