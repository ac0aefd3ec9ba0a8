"""Collect the weather of the cities of ``SITES`` into ``DATA_DIR/processed``."""

from ml.cli import start
from pipelines.outside.cli import etl_app

app = etl_app("climate")

if __name__ == "__main__":
    start(app)
