"""Outside series: which source serves what, the raw store, and the tables as published."""
