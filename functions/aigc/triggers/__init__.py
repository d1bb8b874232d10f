"""Parsers for the events that invoke the functions."""
