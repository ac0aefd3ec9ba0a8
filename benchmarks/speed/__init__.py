"""Speed and memory of the job by stage, beside what users would write instead, in one run."""
