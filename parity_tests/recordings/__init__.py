"""A model's run as files: what every layer received and gave, for a port in any language or another environment."""
