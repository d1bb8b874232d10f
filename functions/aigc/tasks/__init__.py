"""The kinds of task: what a caller may ask for and what the vendor is sent."""
