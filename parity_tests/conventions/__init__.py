"""What libraries do, in sentences that are run: the table of conventions.

statement.py   what an entry is: a sentence, a function that shows it, and what it should give
statements/    the entries, a file for each library and topic
results.py     what came when they were run, with versions and dates: results.json
run.py         running them; `nn-parity conventions`
"""
