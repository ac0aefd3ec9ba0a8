"""The tier that serves published versions over HTTP; it computes nothing and writes to no store."""
