"""Features at a point in time: a pure function of the tables and of the day of the cutoff."""
