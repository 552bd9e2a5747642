"""The statements: a file for each library and topic, in the order in which the table prints them."""

from parity_tests.conventions.statement import Statement, Table
from parity_tests.conventions.statements import (
    flax_layers,
    jax_functions,
    keras_layers,
    keras_optimizers,
    lightning_trainer,
    machines,
    numpy_arrays,
    onnx_exports,
    onnx_operators,
    optax_functions,
    other_code,
    sklearn_estimators,
    small_libraries,
    toolkits,
    torch_execution,
    torch_kinks,
    torch_layers,
    torch_losses,
    torch_numbers,
    torch_optimizers,
)

TABLES: tuple[Table, ...] = (
    torch_optimizers.TABLE,
    torch_layers.TABLE,
    torch_losses.TABLE,
    torch_kinks.TABLE,
    torch_numbers.TABLE,
    torch_execution.TABLE,
    machines.COMPILE,
    machines.VECTORS,
    numpy_arrays.TABLE,
    machines.BLAS,
    sklearn_estimators.TABLE,
    lightning_trainer.TABLE,
    keras_layers.TABLE,
    keras_optimizers.TABLE,
    jax_functions.TABLE,
    flax_layers.FLAX,
    flax_layers.EQUINOX,
    optax_functions.TABLE,
    onnx_exports.TABLE,
    onnx_operators.TABLE,
    toolkits.ONNX,
    toolkits.OPENVINO,
    small_libraries.TINYGRAD,
    small_libraries.MYGRAD,
    small_libraries.AUTOGRAD,
    small_libraries.SAFETENSORS,
    small_libraries.PYTORCH_OPTIMIZER,
    toolkits.THINC,
    toolkits.SKORCH,
)
STATEMENTS: list[Statement] = [statement for table in TABLES for statement in table.statements]
STATEMENTS += other_code.STATEMENTS


def select(pattern: str) -> list[Statement]:
    """All statements about a library or a component, or with the pattern in their text."""
    wanted = pattern.lower()
    exact = [one for one in STATEMENTS if one.library.lower() == wanted or one.concerns(pattern)]
    return exact or [one for one in STATEMENTS if wanted in f"{one.key} {one.text} {' '.join(one.about)}".lower()]


def concerning(component: str) -> list[Statement]:
    """The statements that are told on a component's page."""
    return [one for one in STATEMENTS if one.concerns(component)]
