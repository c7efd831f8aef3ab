"""Vectors of tables: what a batch reads of shards, and the sums of gradients that it sends to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.actor import ActorHandle

from .job import Job, Part

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass
class Read:
    """What a batch reads: the rows of each table, each once in growing order, and their vectors [rows, units]."""

    rows: dict[str, Places]
    vectors: dict[str, Floats]
    gradients: dict[str, Floats]


def _codes_of(part: Part, rows: Arrays, size: int) -> Places:
    """The rows of the table that a part of a lookup reads, [batch, columns], -1 where there is none."""
    codes = _column(rows, part.codes)[:, list(part.columns)].astype(np.int64) - part.first
    return np.where((codes >= 0) & (codes < size), codes, -1)


def _weights_of(part: Part, rows: Arrays) -> Floats | None:
    """The weights with which they are read, [batch, columns]; none if all are 1."""
    if part.weights is None:
        return None
    return _column(rows, part.weights)[:, part.weights_from : part.weights_from + len(part.columns)].astype(np.float32)


def _column(rows: Arrays, name: str) -> Array:
    return rows[name].reshape(len(rows[name]), -1)  # [batch, width]


def read_vectors(job: Job, shards: Sequence[ActorHandle], runs: Sequence[Arrays], step: int) -> Read:
    """What the runs of a step read, from the shards as they are before it."""
    named: dict[str, list[Places]] = {table.path: [] for table in job.tables}
    sizes = {table.path: table.rows for table in job.tables}
    for rows in runs:
        for lookup in job.lookups:
            for part in lookup.parts:
                named[part.table].append(_codes_of(part, rows, sizes[part.table]).reshape(-1))
    rows_of = {path: _unique(codes) for path, codes in named.items()}
    count = len(shards)
    homes = {path: rows % count for path, rows in rows_of.items()}
    wanted = [{path: rows[homes[path] == shard] // count for path, rows in rows_of.items()} for shard in range(count)]
    found = ray.get([shard.read.remote(step, want) for shard, want in zip(shards, wanted, strict=True)])
    vectors: dict[str, Floats] = {}
    for table in job.tables:
        vectors[table.path] = np.zeros((len(rows_of[table.path]), table.units), np.float32)
        for shard in range(count):
            vectors[table.path][homes[table.path] == shard] = found[shard][table.path]
    gradients = {path: np.zeros_like(array) for path, array in vectors.items()}
    return Read(rows_of, vectors, gradients)


def _unique(codes: list[Places]) -> Places:
    found = np.unique(np.concatenate([np.zeros(0, np.int64), *codes]))
    return found[found >= 0]


def lookup_inputs(job: Job, read: Read, rows: Arrays) -> dict[str, Floats]:
    """The vectors of a run by the names of the lookups, [batch, width]."""
    sizes = {table.path: table.rows for table in job.tables}
    inputs: dict[str, Floats] = {}
    for lookup in job.lookups:
        parts: list[Floats] = []
        for part in lookup.parts:
            places = _places(read.rows[part.table], _codes_of(part, rows, sizes[part.table]))
            held = np.vstack([read.vectors[part.table], np.zeros((1, part.units), np.float32)])  # -1 reads zeros
            weights = _weights_of(part, rows)
            each = held[places] if weights is None else held[places] * weights[:, :, None]
            parts.append(each[:, 0] if len(part.columns) == 1 else each.sum(axis=1, dtype=np.float32))
        inputs[lookup.name] = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return inputs


def _places(rows: Places, codes: Places) -> Places:
    """The places of codes among the rows that were read, -1 of a code without a row."""
    return np.where(codes >= 0, np.searchsorted(rows, codes), -1)


def add_gradients(job: Job, read: Read, rows: Arrays, outputs: Arrays) -> None:
    """Adds the gradients of a run to those of the vectors that it has read: sums over all places of each."""
    sizes = {table.path: table.rows for table in job.tables}
    for lookup in job.lookups:
        gradient = outputs.get(f"gradient/{lookup.name}")
        if gradient is None:
            continue
        start = 0
        for part in lookup.parts:
            own = gradient[:, start : start + part.units]
            start += part.units
            places = _places(read.rows[part.table], _codes_of(part, rows, sizes[part.table]))
            weights = _weights_of(part, rows)
            _add(read.gradients[part.table], places, own, weights)


def _add(sums: Floats, places: Places, gradient: Array, weights: Floats | None) -> None:
    known = places >= 0
    at, row = places[known], np.nonzero(known)[0]
    terms = gradient[row] if weights is None else gradient[row] * weights[known][:, None]
    for unit in range(sums.shape[1]):
        sums[:, unit] += np.bincount(at, terms[:, unit], len(sums)).astype(np.float32)


def send_gradients(job: Job, shards: Sequence[ActorHandle], read: Read, step: int, rank: int) -> list[Any]:
    """Sends the sums of this worker to the shards; returns references to the sums of squares over all workers."""
    count = len(shards)
    trained = [table.path for table in job.tables if table.trained]
    sent = []
    for shard in range(count):
        own = {path: read.rows[path] % count == shard for path in trained}
        gradients = {path: (read.rows[path][own[path]] // count, read.gradients[path][own[path]]) for path in trained}
        sent.append(shards[shard].add.remote(step, rank, gradients))
    return sent
