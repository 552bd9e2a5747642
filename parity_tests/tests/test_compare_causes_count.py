"""How many planted deviations are named rightly. None may be named wrongly: the tests of each list see to that."""

from parity_tests.tests import (
    test_compare_causes_activations,
    test_compare_causes_attention,
    test_compare_causes_convolution,
    test_compare_causes_normalization,
    test_compare_causes_optimizers,
    test_compare_causes_recurrent,
    test_compare_causes_slopes,
    test_compare_causes_structure,
)

LISTS = (
    test_compare_causes_activations, test_compare_causes_attention, test_compare_causes_convolution,
    test_compare_causes_normalization, test_compare_causes_recurrent, test_compare_causes_slopes,
    test_compare_causes_structure,
)  # fmt: skip


def test_most_deviations_are_named():
    plants = {f"{module.__name__}: {p.ident}": p.named for module in LISTS for p in module.PLANTS}
    plants |= dict.fromkeys((f"loss {name}" for name in test_compare_causes_structure.LOSSES), True)
    plants |= dict.fromkeys((f"optimizer {name}" for name in test_compare_causes_optimizers.RULES), True)
    unnamed = [name for name, named in plants.items() if not named]
    print(f"{len(plants) - len(unnamed)} of {len(plants)} named; not named: {', '.join(unnamed) or 'none'}")
    assert len(plants) >= 100
    assert len(plants) - len(unnamed) >= 0.85 * len(plants)
