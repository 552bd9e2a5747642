"""The report: a static site with a page for every component of the table, made from its docstring and its checks."""
