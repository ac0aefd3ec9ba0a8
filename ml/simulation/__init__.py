"""What levels of stock would have come to, period by period."""
