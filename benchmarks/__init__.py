"""Measurements of the whole system on the local cloud; `make bench`, `load` and `cost` run them."""
