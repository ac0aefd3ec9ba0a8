"""Collect Brent, quoted prices and the dollar into ``DATA_DIR/processed``."""

from pipelines.outside.offer import outside_etl

app = outside_etl(
    "prices", "Collect Brent, the dollar, and the quotes and dividends of SYMBOLS.", "Brent,PETR4"
)

if __name__ == "__main__":
    app()
