"""The embedded sample: synthetic demand, stock, prices and outside series with a known truth.

Everything is drawn from explicit seeds; no measured value is in it.
"""

from pipelines.sample_data.files import SampleFiles, ensure_sample, sample_paths

__all__ = ["SampleFiles", "ensure_sample", "sample_paths"]
