"""Every float: each elementwise function at all 2^32 float32 inputs, against a float64 truth that does not cancel.

floats.py     float32 numbers in order, and ulp
functions.py  the functions, their truths in float64 and in mpmath
kernels.py    who computes: scratch here, torch in a process for each set of vector instructions
tally.py      what is counted
run.py        octave by octave, resumable
results.py    one line a result, in results.json

    make exhaustive                                     all functions at all inputs; hours
    python -m experiments.exhaustive GELU --step 256    one function at every 256th float, in seconds
"""
