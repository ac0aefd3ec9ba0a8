"""The tables of the project as data: columns, types, units, ranges, keys, and the check."""
