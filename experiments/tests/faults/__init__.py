"""Kills and full disks at every write of every command: python -m experiments.tests.faults, or make faults."""
