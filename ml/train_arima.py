"""Train one family on the processed tables. Usage: python ml/train_arima.py --help."""

from ml.cli_training import run_training

if __name__ == "__main__":
    run_training(
        "arima",
        "Train ARIMA: bounded orders, one model for each series of DATA_DIR/processed.",
    )
