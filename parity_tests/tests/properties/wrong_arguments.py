"""Wrong arguments of which scratch and torch make different things, each with its reason."""

from __future__ import annotations


def _calls(reason: str, *calls: str) -> dict[str, str]:
    return dict.fromkeys(calls, reason)


# As the sweep of refusals writes them.
ARGUMENTS = {
    **_calls(
        "torch takes NaN, and computes with it",
        *("ConstantLR(factor=nan)", "LinearLR(start_factor=nan)", "LinearLR(end_factor=nan)"),
        *("OneCycleLR(pct_start=nan)", "SGD(lr=nan)", "SGD(momentum=nan)", "SGD(weight_decay=nan)"),
    ),
    **_calls(
        "torch looks at it in the first step; here the constructor does",
        *(f"LBFGS(line_search_fn={value})" for value in ("'no such'", "-1", "2.5", "nan")),
    ),
    **_calls(
        "torch stumbles over a missing attribute; here a TypeError says what was expected",
        *(
            f"{name}(optimizer={v})"
            for name in ("LambdaLR", "MultiplicativeLR")
            for v in ("'no such'", -1, 2.5, None, "nan")
        ),
        *(f"kaiming_{name}_(mode={v})" for name in ("normal", "uniform") for v in (-1, 2.5, None, "nan")),
    ),
    **_calls(
        "torch reads text as a number, and fails with a ValueError; here text is no number, a TypeError",
        *("CyclicLR(step_size_up='no such')", "CyclicLR(step_size_down='no such')", "OneCycleLR(pct_start='no such')"),
    ),
    **_calls("torch takes None for no milestones", "MultiStepLR(milestones=None)"),
    **_calls("torch fills nothing for a negative number of groups", "dirac_(groups=-1)"),
    **_calls(
        "torch draws complex numbers; scratch does not",
        *(
            f"{name}(tensor: complex64[3, 4])"
            for name in ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_")
        ),
        *(f"{name}(tensor: complex64[3, 4])" for name in ("xavier_normal_", "xavier_uniform_", "sparse_")),
    ),
    **_calls(
        "torch does not look at the dtype of an array without elements",
        *("normal_(tensor: int64[0])", "trunc_normal_(tensor: int64[0])"),
    ),
}
