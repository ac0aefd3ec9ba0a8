"""Collect the dollar, interest and inflation into ``DATA_DIR/processed``."""

from pipelines.outside.offer import outside_etl

app = outside_etl("economic", "Collect the dollar, Selic, IPCA, IGP-M and IBC-Br.", "usd_brl,ipca")

if __name__ == "__main__":
    app()
