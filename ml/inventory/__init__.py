"""From sample paths of demand to replenishment recommendations."""
