"""Collect Brent, quoted prices and the dollar into ``DATA_DIR/processed``."""

from ml.cli import start
from pipelines.outside.cli import etl_app

app = etl_app("prices")

if __name__ == "__main__":
    start(app)
