"""Measurements of the whole system: `make bench`, `make load`, `make cost`, `make sweeps`."""
