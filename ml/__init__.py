"""Everything that computes; touches no network and imports neither pipelines nor scripts."""
