"""Collect the weather of the cities of ``SITES`` into ``DATA_DIR/processed``."""

from pipelines.outside.offer import outside_etl

app = outside_etl(
    "climate",
    "Collect the daily weather of the cities of SITES.",
    "precipitation_mm,humidity_percent",
)

if __name__ == "__main__":
    app()
