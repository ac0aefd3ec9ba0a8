"""Train one family on the processed tables. Usage: python ml/train_lstm.py --help."""

from ml.cli import start, training_command

app = training_command("lstm", "Train the LSTM: one network for each panel of DATA_DIR/processed.")

if __name__ == "__main__":
    start(app)
