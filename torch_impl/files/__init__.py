"""Files: written whole or not at all; read as data alone, in bounded memory, or refused with one clear error."""

from torch_impl.files.arrays import opened_safetensors, read_npy, read_npz, read_safetensors, refuse_half
from torch_impl.files.checkpoint import read_checkpoint
from torch_impl.files.plain import FileRefusedError, opened, printable, read_bytes, read_json
from torch_impl.files.whole import remove_parts, write_text, write_whole

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
    "refuse_half",
    "remove_parts",
    "write_text",
    "write_whole",
]
