"""Test vectors for other languages: the table's rows as files, and a judge of the answers. FORMAT.md is the format."""
