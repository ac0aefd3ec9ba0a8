"""Collect the dollar, interest and inflation into ``DATA_DIR/processed``."""

from ml.cli import start
from pipelines.outside.cli import etl_app

app = etl_app("economic")

if __name__ == "__main__":
    start(app)
