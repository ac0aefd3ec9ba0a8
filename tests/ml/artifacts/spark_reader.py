"""Reads every table of the flat view with Spark; one line of JSON: types, rows, first day."""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

LOCAL = {
    "spark.master": "local[1]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.memory": "512m",
}


def answer(spark, path):
    frame = spark.read.parquet(str(path))
    first = frame.agg({"ds": "min"}).first()[0] if "ds" in frame.columns else None
    return dict(frame.dtypes), frame.count(), first and first.isoformat()


if __name__ == "__main__":
    builder = SparkSession.builder
    for name, value in LOCAL.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    files = sorted(Path(sys.argv[1]).glob("*/*.parquet"))
    answers = {path.name.split("_2026")[0]: answer(session, path) for path in files}
    session.stop()
    sys.stdout.write(json.dumps(answers) + "\n")
