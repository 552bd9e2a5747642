"""compare, measured by mutation: networks as people write them, changed by rules, judged end to end by torch.

    networks/     small networks, a file each
    sites         every place in a network's source that a rule may change
    changes/      rules that change the meaning: values, calls, layers, flow
    rewrites/     rules that keep it
    variants      a changed source, the model it makes, and the names of the layers that its change concerns
    oracle        what both models give when torch runs them end to end: different, equal, too near the limit to say
    steps         optimizers and losses with one option changed, and trainings that must not differ
    trial         one comparison: what the oracle says beside what compare says
    summary       counts, and one result a line

`python -m parity_tests.tests.mutants` runs all of it.
"""
