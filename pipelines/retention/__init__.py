"""What this machine keeps of earlier runs: versions, plain files, models, logs, answers."""
