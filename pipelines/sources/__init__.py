"""Public APIs: one polite client, one adapter an API, and what each answer has to look like."""
