"""Collect the 5G roll-out in the states of ``STATES`` into ``DATA_DIR/processed``."""

from ml.cli import start
from pipelines.outside.cli import etl_app

app = etl_app("anatel_5g")

if __name__ == "__main__":
    start(app)
