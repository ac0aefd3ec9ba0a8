"""Outside drivers of a panel: how much each moves demand or prices, and whether that helps."""
