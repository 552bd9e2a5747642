"""Speed, claimed in one place: every engine in its own process, threads pinned, A B A B, medians, ratios, their spread.

case.py             the measured work: Case, Limit, and the Work that an engine does
cases/<group>.py    the cases, one file per group: `cases(quick)` lists them, `prepare(engine, **setting)` builds one
worker.py           the process of one engine
engine_process.py   the parent's end of it
measure.py          one case: rounds in turn, ratios, verdicts
run.py              all cases: selection, progress, the report, the files
traffic.py          bytes that NumPy reads and writes
lines.py            a result as lines of a table
page.py             the speed tables of experiments/results/SPEED.md and the README, from the files
stored.py           the files of results: one result a line
cost_curves.py      the picture of the cost curves
"""
