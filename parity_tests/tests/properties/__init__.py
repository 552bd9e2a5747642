"""Properties: scratch and torch driven together through inputs that nobody wrote down.

example.py          a row of the table and its departures from it: other sizes, strides, dtypes, values, options
strategies.py       how Hypothesis draws examples, for every component of the table, with nothing else written
optimizers.py       optimizers through drawn parameters, options and gradients
verdict.py          both engines on one example, judged by the project's one tolerance rule
disagreements.py    where scratch and torch are known to differ
refused_by_one.py   where one of them refuses, each with its reason and a witness
other_numbers.py    where both compute, likewise
wrong_arguments.py  where the sweep of refusals finds them apart
refusal_text.py     what the text of a refusal must say
unsafe.py           what torch would take without a look, and read outside of its arrays
profiles.py         how many examples are tried
counting.py         how many ran
"""
