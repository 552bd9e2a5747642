"""Tests of experiments: data, configuration, both engines under Lightning, the command line."""
