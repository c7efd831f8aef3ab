"""Files of tensors in the format of safetensors, written whole and with their SHA-256."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import Refusal

Array = npt.NDArray[Any]

_DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a file by name, as views of the file that are read when they are used."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(min(length, path.stat().st_size)))
        header.pop("__metadata__", None)
        return {name: _view(path, 8 + length, entry) for name, entry in header.items()}
    except OSError as error:
        raise Refusal(f"Cannot read {path.name}: {error.strerror}", str(path), "write the job anew") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Refusal(f"Cannot read {path.name}: it is damaged: {error}", str(path), "write the job anew") from error


def _view(path: Path, begin: int, entry: Mapping[str, Any]) -> Array:
    dtype, shape, offset = _DTYPES[entry["dtype"]], tuple(entry["shape"]), begin + entry["data_offsets"][0]
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


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
    digest = hashlib.sha256()
    size = 0
    with path.open("xb") as file:
        pieces: Iterator[bytes | memoryview] = (_bytes(array) for array in tensors.values())
        for piece in chain([len(text).to_bytes(8, "little"), text], pieces):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return {"sha256": digest.hexdigest(), "bytes": size}


def _bytes(array: Array) -> bytes | memoryview:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data if flat.size > 0 else b""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
