"""The kinds of task: their parameters, and the calls to the vendor."""
