"""Train one family on the processed tables. Usage: python ml/train_trees.py --help."""

from ml.cli import start, training_command

app = training_command("trees", "Train the boosted trees of each panel of DATA_DIR/processed.")

if __name__ == "__main__":
    start(app)
