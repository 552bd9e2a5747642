"""A recording of a Keras model, compared with torch's by the map that compare proposes."""

from __future__ import annotations

from pathlib import Path

from parity_tests.tests.recorded import compare, record

MODELS = """
import keras
from keras import layers as K
from torch import nn


def left():
    parts = [K.Conv2D(5, 3), K.BatchNormalization(epsilon=1e-5, momentum=0.9), K.GlobalAveragePooling2D(), K.Dense(4)]
    return keras.Sequential([keras.Input((6, 6, 3)), *parts])


class Right(nn.Module):
    def __init__(self, eps=1e-5):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, eps), nn.Linear(5, 4)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).mean((2, 3)))


def right():
    return Right()


def wrong():
    return Right(1e-3)
"""


def test_files_of_keras_beside_torch(tmp_path: Path) -> None:
    """Its BatchNormalization is called with mask=None, which torch's does not take."""
    (tmp_path / "models.py").write_text(MODELS)
    left, right, wrong = (f"{tmp_path}/models.py:{name}" for name in ("left", "right", "wrong"))
    done = record(left, tmp_path / "files", "--input", "2,3,6,6", "--mode", "eval")
    assert done.exit_code == 0, done.output
    done = compare(tmp_path / "files", right, "--write-map", tmp_path / "map.json")
    assert done.exit_code == 2, done.output
    assert ".kernel': ['conv.weight', 'permute 3 2 0 1']" in done.output
    done = compare(tmp_path / "files", right, "--map", tmp_path / "map.json")
    assert done.exit_code == 0, done.output
    assert "↔ bn (BatchNormalization)" in done.output
    done = compare(tmp_path / "files", wrong, "--map", tmp_path / "map.json")
    assert done.exit_code == 1, done.output
    assert "(bn on the right, BatchNormalization), eval mode: output" in done.output
