"""Arrays by their types, and files of them: safetensors and plain ones, written whole and with their SHA-256."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a file that is whole, by name, as views of the file that are read when they are used."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: view(path, _DTYPES[entry["dtype"]], 8 + length + entry["data_offsets"][0], entry["shape"])
        for name, entry in header.items()
    }


def view(path: Path, dtype: str, begin: int, shape: Iterable[int]) -> Array:
    """An array within a file."""
    shape = tuple(shape)
    return np.zeros(shape, dtype) if 0 in shape else np.memmap(path, dtype, "r", begin, shape)


def write_tensors(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Writes tensors to a new file; returns its SHA-256 and size."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, array in tensors.items():
        entries[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return write_file(path, [len(text).to_bytes(8, "little"), text, *map(bytes_of, tensors.values())])


def bytes_of(array: Array) -> bytes | memoryview:
    """The bytes of an array."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data if flat.size > 0 else b""


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Writes a new file to the disk; returns its SHA-256 and size."""
    digest = hashlib.sha256()
    size = 0
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return {"sha256": digest.hexdigest(), "bytes": size}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
