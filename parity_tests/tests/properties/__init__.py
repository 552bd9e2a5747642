"""Properties: scratch and torch driven together through inputs that nobody wrote down.

example.py        a row of the table and its departures from it: other sizes, strides, dtypes, values, options
strategies.py     how Hypothesis draws examples, for every component of the table, with nothing else written
verdict.py        both engines on one example, judged by the project's one tolerance rule
refusal_text.py   what the text of a refusal must say
disagreements.py  where scratch and torch are known to differ, each with its reason and a witness
profiles.py       how many examples run, and how many ran
"""
