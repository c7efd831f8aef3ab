"""Shards of the tables of vectors: each row lies on one of them, with the state of its optimiser."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .checkpoints import read_checkpoint
from .graphs import Run, load_graph, number
from .job import Job, VectorTable, read_job
from .tensors import read_tensors, write_tensors
from .threefry import drawn_at

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Sent = dict[str, tuple[Places, Floats]]


class Shard:
    """An actor that holds the rows of all tables whose number modulo all shards is its own."""

    def __init__(self, folder: str, number_of_shard: int, workers: int) -> None:
        self.job = read_job(Path(folder))
        self.number, self.count, self.workers = number_of_shard, self.job.shards, workers
        self.vectors: dict[str, Floats] = {}
        self.state: dict[str, Floats] = {}
        self.updates: dict[str, Run] = {}
        self.step = 0  # the steps that have changed the vectors
        self.sent: dict[int, Sent] = {}
        self.sums: Sent = {}
        self.changed = asyncio.Condition()

    async def begin(self, checkpoint: str | None, step: int) -> None:
        """Reads or draws the vectors as they are after a step."""
        for table in self.job.tables:
            if table.update is not None:
                self.updates[table.path] = load_graph(self.job, table.update, 1)
            rows = table.rows_on(self.number, self.count)
            if checkpoint is None:
                self.vectors[table.path] = _first(self.job, table, self.number, self.count)
                self.state[table.path] = np.full((rows, table.state), table.initial, np.float32)
                continue
            found = read_checkpoint(Path(checkpoint))
            self.vectors[table.path] = found.vectors(table.path, self.number, self.count)
            self.state[table.path] = found.state(table, self.number, self.count)
        self.step = step

    async def read(self, step: int, wanted: Mapping[str, Places]) -> dict[str, Floats]:
        """The vectors of some rows as a step reads them: after the one before it."""
        await self._until(step - 1)
        return {path: self.vectors[path][places] for path, places in wanted.items()}

    async def add(self, step: int, rank: int, gradients: Sent) -> float:
        """Adds the gradients of a worker; returns the sum of squares of those of all, once all have sent them."""
        await self._until(step - 1)
        async with self.changed:
            self.sent[rank] = gradients
            if len(self.sent) == self.workers:
                self.sums = {path: _added([self.sent[rank][path] for rank in sorted(self.sent)]) for path in gradients}
                self.sent = {}
                self.changed.notify_all()
            else:
                await self.changed.wait_for(lambda: rank not in self.sent)
            return sum(float(np.sum(sums.astype(np.float64) ** 2)) for _, sums in self.sums.values())

    async def take(self, step: int, scale: float, scalars: Mapping[str, float]) -> None:
        """Changes the vectors by the gradients that were added."""
        numbers = {name: number(value) for name, value in scalars.items()}
        async with self.changed:
            for table in self.job.tables:
                if not table.trained or table.update is None or table.path not in self.sums:
                    continue
                if table.rate is not None and scalars[table.rate] == 0:
                    continue
                self._change(table, scale, numbers)
            self.step = step
            self.changed.notify_all()

    def _change(self, table: VectorTable, scale: float, numbers: Mapping[str, Array]) -> None:
        places, gradient = self.sums[table.path]
        if len(places) == 0 or table.update is None:
            return
        vectors, state = self.vectors[table.path], self.state[table.path]
        given = {"table": vectors[places], "state": state[places], "gradient": gradient, "scale": number(scale)}
        by_name = {one.name: given[one.origin] for one in table.update.inputs if one.origin in given}
        found = self.updates[table.path]({**numbers, **by_name})
        for output in table.update.outputs:
            (vectors if output.role == "table" else state)[places] = found[output.name]

    async def write(self, folder: str, step: int) -> dict[str, Any]:
        """Writes the rows and their state as they are after a step; returns the files' digests by name."""
        await self._until(step)
        names = rows_file(self.number, self.count), state_file(self.number, self.count)
        metadata = self.job.raw["model"]["metadata"]
        return {
            names[0]: write_tensors(Path(folder) / names[0], self.vectors, metadata),
            names[1]: write_tensors(Path(folder) / names[1], self.state, {}),
        }

    async def _until(self, step: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.step >= step)


def rows_file(shard: int, shards: int) -> str:
    """The file of a shard's rows in a model."""
    return f"rows-{shard + 1:05}-of-{shards:05}.safetensors"


def state_file(shard: int, shards: int) -> str:
    """The file of the state beside them in a checkpoint."""
    return f"training-rows-{shard + 1:05}-of-{shards:05}.safetensors"


def _added(parts: list[tuple[Places, Floats]]) -> tuple[Places, Floats]:
    """The sums over workers in their order, of the rows that any has read."""
    if len(parts) == 1:
        return parts[0]
    places = np.unique(np.concatenate([own for own, _ in parts]))
    sums = np.zeros((len(places), parts[0][1].shape[1]), np.float32)
    for own, gradient in parts:
        sums[np.searchsorted(places, own)] += gradient
    return places, sums


def _first(job: Job, table: VectorTable, shard: int, shards: int) -> Floats:
    """The vectors of a shard's rows before the first step."""
    rows, units, first = table.rows_on(shard, shards), table.units, table.first
    if "constant" in first:
        return np.full((rows, units), first["constant"], np.float32)
    if "file" in first:
        whole = read_tensors(job.file(first["file"]))[first["tensor"]]
        return np.array(whole[shard::shards], np.float32)
    vectors = _drawn(job, table, shard, shards, first["drawn"])
    for row in first["zeros"]:
        if row % shards == shard:
            vectors[row // shards] = 0
    return vectors


def _drawn(job: Job, table: VectorTable, shard: int, shards: int, given: Mapping[str, Any]) -> Floats:
    """Vectors that are drawn, some rows at a time: by the key of each row, or by one key of the whole table."""
    rows, units = table.rows_on(shard, shards), table.units
    vectors = np.zeros((rows, units), np.float32)
    keys = (
        read_tensors(job.file(given["keys"]["file"]))[given["keys"]["tensor"]][shard::shards]
        if "keys" in given
        else None
    )
    for start in range(0, rows, _AT_ONCE):
        end = min(start + _AT_ONCE, rows)
        if keys is not None:
            own, elements = np.array(keys[start:end]), np.arange(units)[None]
        else:
            own = np.array([[word & 0xFFFFFFFF for word in given["key"]]], np.int64).astype(np.uint32)
            elements = (np.arange(start, end) * shards + shard)[:, None] * units + np.arange(units)
        vectors[start:end] = drawn_at(own.astype(np.uint32), elements, given["spread"], given["size"])
    return vectors


_AT_ONCE = 2**16
