"""Training with both engines: data, models, Lightning, plots, and the command line."""
