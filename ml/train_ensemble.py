"""Train one family on the processed tables. Usage: python ml/train_ensemble.py --help."""

from ml.cli_training import run_training

if __name__ == "__main__":
    run_training(
        "ensemble", "Try all models at rolling origins and fit the weights of the ensemble."
    )
