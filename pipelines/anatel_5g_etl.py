"""Collect the 5G roll-out in the states of ``STATES`` into ``DATA_DIR/processed``."""

from pipelines.outside.offer import outside_etl

app = outside_etl(
    "anatel_5g",
    "Collect mobile accesses and 5G stations of the states of STATES.",
    "fiveg_accesses",
)

if __name__ == "__main__":
    app()
