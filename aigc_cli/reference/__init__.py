"""Generates the tables of the docs from the code, in each language of the docs.

`python -m aigc_cli.reference` writes them; a test fails while a page differs.
"""
