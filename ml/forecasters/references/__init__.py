"""Reference models: simple, quick, and in every comparison."""
