"""Train one family on the processed tables. Usage: python ml/train_lstm.py --help."""

from ml.cli_training import run_training

if __name__ == "__main__":
    run_training("lstm", "Train the LSTM: one network for each panel of DATA_DIR/processed.")
