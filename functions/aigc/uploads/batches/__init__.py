"""Batches: a file of lines, each of which becomes a job."""
