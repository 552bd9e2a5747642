"""Rows: learning rate schedules. Arguments follow the optimizer; (name, kwargs) is a schedule on the same optimizer."""

from typing import Any

from parity_tests.table.row import Scheduler


class Decay:
    """A callable object, whose attributes belong to the state_dict."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return 1 / (1 + 0.1 * epoch)


def row(name: str, case: str = "", optimizer: str = "SGD", **kwargs: Any) -> Scheduler:
    return Scheduler(f"optim.lr_scheduler.{name}", kwargs=kwargs, case=case, optimizer=optimizer)


WARM_UP = ("LinearLR", {"start_factor": 0.1, "total_iters": 7})
FALL = ("ExponentialLR", {"gamma": 0.9})
COSINE = ("CosineAnnealingLR", {"T_max": 23})

ROWS = [
    row("LambdaLR", lr_lambda=lambda epoch: 0.95**epoch),
    row("LambdaLR", "one for each group", lr_lambda=[lambda epoch: 0.95**epoch, lambda epoch: 1 / (epoch + 1)]),
    row("LambdaLR", "a callable object", lr_lambda=Decay()),
    row("MultiplicativeLR", lr_lambda=lambda epoch: 0.95),
    row("MultiplicativeLR", "one for each group", lr_lambda=[lambda epoch: 0.95, Decay()]),
    row("StepLR", step_size=7),
    row("StepLR", "gamma", step_size=5, gamma=0.7),
    row("MultiStepLR", milestones=[3, 11, 30]),
    row("MultiStepLR", "a milestone twice", milestones=[11, 3, 11], gamma=0.7),
    row("ConstantLR"),
    row("ConstantLR", "options", factor=0.3, total_iters=17),
    row("LinearLR"),
    row("LinearLR", "options", start_factor=0.7, end_factor=0.1, total_iters=37),
    row("ExponentialLR", gamma=0.93),
    row("PolynomialLR"),
    row("PolynomialLR", "options", total_iters=41, power=2.3),
    row("CosineAnnealingLR", T_max=60),
    row("CosineAnnealingLR", "up again", T_max=13, eta_min=0.003),
    row("CosineAnnealingWarmRestarts", T_0=7),
    row("CosineAnnealingWarmRestarts", "longer each time", T_0=5, T_mult=2, eta_min=0.003),
    row("CyclicLR", base_lr=0.01, max_lr=0.1, step_size_up=7),
    row("CyclicLR", "triangular2", base_lr=[0.01, 0.02], max_lr=0.1, step_size_up=5, mode="triangular2"),
    row("CyclicLR", "sawtooth", base_lr=0.01, max_lr=0.1, step_size_up=5, step_size_down=3),
    row("CyclicLR", "exp_range", "Adam", base_lr=0.01, max_lr=0.1, step_size_up=5, mode="exp_range", gamma=0.97),
    row("CyclicLR", "scale_fn", base_lr=0.01, max_lr=0.1, step_size_up=5, scale_fn=lambda cycle: 1 / cycle),
    row("CyclicLR", "scale_fn of steps", base_lr=0.01, max_lr=0.1, scale_fn=Decay(), scale_mode="iterations"),
    row("CyclicLR", "lr alone", "Adagrad", base_lr=0.01, max_lr=0.1, step_size_up=5, cycle_momentum=False),
    row("OneCycleLR", max_lr=0.3, total_steps=60),
    row("OneCycleLR", "linear", max_lr=[0.3, 0.1], epochs=7, steps_per_epoch=9, anneal_strategy="linear"),
    row("OneCycleLR", "three phases", "Adam", max_lr=0.3, total_steps=61, three_phase=True, pct_start=0.25),
    row("OneCycleLR", "options", max_lr=0.3, total_steps=63, div_factor=7.0, final_div_factor=30.0, base_momentum=0.5),
    row("OneCycleLR", "lr alone", "Adagrad", max_lr=0.3, total_steps=63, cycle_momentum=False),
    row("SequentialLR", schedulers=[WARM_UP, FALL], milestones=[7]),
    row("SequentialLR", "three", schedulers=[WARM_UP, COSINE, ("StepLR", {"step_size": 4})], milestones=[7, 30]),
    row("SequentialLR", "the second at once", schedulers=[WARM_UP, FALL], milestones=[0]),
    row("SequentialLR", "nested", schedulers=[("ChainedScheduler", {"schedulers": [WARM_UP, FALL]})], milestones=[]),
    row("ChainedScheduler", schedulers=[WARM_UP, FALL]),
    row("ChainedScheduler", "three", schedulers=[WARM_UP, COSINE, ("ConstantLR", {"factor": 0.5, "total_iters": 9})]),
    row("ReduceLROnPlateau"),
    row("ReduceLROnPlateau", "options", factor=0.5, patience=2, cooldown=3, min_lr=[0.003, 0.001], threshold=0.01),
    row("ReduceLROnPlateau", "max", mode="max", patience=4, threshold_mode="abs", threshold=0.05, eps=0.01),
]
