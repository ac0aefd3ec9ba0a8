"""Train one family on the processed tables. Usage: python ml/train_prophet.py --help."""

from ml.cli_training import run_training

if __name__ == "__main__":
    run_training(
        "prophet", "Train Prophet: one additive model for each series of DATA_DIR/processed."
    )
