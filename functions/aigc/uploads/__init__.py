"""Uploads: which become jobs, and by which rule."""
