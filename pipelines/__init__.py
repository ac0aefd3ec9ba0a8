"""Everything that moves data across the edge of the project, in and out."""
