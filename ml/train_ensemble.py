"""Train one family on the processed tables. Usage: python ml/train_ensemble.py --help."""

from ml.cli import start, training_command

app = training_command(
    "ensemble", "Try all models at rolling origins and fit the weights of the ensemble."
)

if __name__ == "__main__":
    start(app)
