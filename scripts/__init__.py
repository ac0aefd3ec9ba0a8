"""The commands that people and cron run."""
