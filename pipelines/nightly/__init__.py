"""The nightly job: the commands of the project, one after the other, under one lock."""
