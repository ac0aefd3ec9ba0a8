"""Train one family on the processed tables. Usage: python ml/train_prophet.py --help."""

from ml.cli import start, training_command

app = training_command(
    "prophet", "Train Prophet: one additive model for each series of DATA_DIR/processed."
)

if __name__ == "__main__":
    start(app)
