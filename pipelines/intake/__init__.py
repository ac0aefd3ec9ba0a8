"""The user's own files: read, checked, put in their contracts, with a quarantine for bad rows."""
