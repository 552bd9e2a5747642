"""Files that a stranger may have made: read as data alone, in bounded memory, and refused with one clear error."""

from torch_impl.untrusted.arrays import opened_safetensors, read_npy, read_npz, read_safetensors
from torch_impl.untrusted.checkpoint import read_checkpoint
from torch_impl.untrusted.plain import FileRefusedError, opened, printable, read_bytes, read_json

__all__ = [
    "FileRefusedError",
    "opened",
    "opened_safetensors",
    "printable",
    "read_bytes",
    "read_checkpoint",
    "read_json",
    "read_npy",
    "read_npz",
    "read_safetensors",
]
