"""Ports of six blocks to other frameworks, correct and with mistakes that people make: does compare find them?

`blocks.py` has the blocks in torch, `matrix.py` what a row is and how it is judged, and one file for each framework has
its ports: `FRAMEWORK`. `python -m parity_tests.tests.foreign` runs those that are installed, and writes results.json
and MATRIX.md; rows of frameworks that are not installed stay as they were.
"""
