"""What is told about a run: metrics, leaderboard, explanation, pictures."""
