"""Accuracy of the job against other forecasting libraries, on the same series and cutoffs."""
