"""The rows of tables that a worker holds, with the state of their optimisers, and what it sends the others of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoints import Checkpoint
from .graphs import load_graph, number
from .job import Job, VectorTable
from .mail import Mail
from .tensors import Floats, Places, read_tensors, write_tensors
from .threefry import drawn_at
from .vectors import Tables, Wanted


class Shards:
    """The shards of a worker: those whose number modulo all workers is its own."""

    def __init__(self, job: Job, tables: Tables, mail: Mail, found: Checkpoint | None) -> None:
        self.job, self.tables, self.mail = job, tables, mail
        self.own = range(mail.rank, job.shards, mail.workers)
        sizes = [pool.bounds[mail.rank + 1] - pool.bounds[mail.rank] for pool in tables.pools]
        beside = list(zip(sizes, tables.pools, strict=True))
        self.vectors = [np.empty((size, pool.units), np.float32) for size, pool in beside]
        self.state = [np.empty((size, pool.state), np.float32) for size, pool in beside]
        self.updates = [load_graph(job, pool.update, 1) if pool.update else None for pool in tables.pools]
        self.asked: list[list[Places]] = []  # by worker and pool, the places that it reads in a step
        self.sums: list[tuple[Places, Floats]] = []
        for shard in self.own:
            for table, vectors, state in self._parts(shard):
                vectors[:] = found.vectors(table, shard, job.shards) if found else _first(job, table, shard)
                state[:] = found.state(table, shard, job.shards) if found else table.initial

    def _parts(self, shard: int) -> Iterator[tuple[VectorTable, Floats, Floats]]:
        """The tables, with the vectors and the state of their rows on a shard."""
        for pool, vectors, state in zip(self.tables.pools, self.vectors, self.state, strict=True):
            for table, start in zip(pool.tables, pool.starts[:, shard] - pool.bounds[self.mail.rank], strict=True):
                end = start + table.rows_on(shard, self.job.shards)
                yield table, vectors[start:end], state[start:end]

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the rows and their state; returns the files' digests by name."""
        found, shards = {}, self.job.shards
        for shard in self.own:
            vectors = {table.path: own for table, own, _ in self._parts(shard)}
            state = {table.path: own for table, _, own in self._parts(shard)}
            metadata = self.job.raw["model"]["metadata"]
            name = f"rows-{shard + 1:05}-of-{shards:05}.safetensors"
            found[name] = write_tensors(folder / name, vectors, metadata)
            found[f"training-{name}"] = write_tensors(folder / f"training-{name}", state, {})
        return found

    def held(self, places: Sequence[Places]) -> list[Floats]:
        """The vectors at places of each pool."""
        return [vectors.take(own, axis=0) for vectors, own in zip(self.vectors, places, strict=True)]

    def ask(self, step: int, wanted: Wanted) -> None:
        """Says what this worker reads in a step."""
        self.mail.send("wanted", step, [self.tables.places(wanted, worker) for worker in range(self.mail.workers)])

    def answer(self, step: int) -> None:
        """Sends what each reads in a step, once the one before is taken."""
        self.asked = self.mail.take("wanted", step)
        self.mail.send("vectors", step, [self.held(places) for places in self.asked])

    def read(self, step: int) -> list[Floats]:
        """The vectors that this worker reads in a step, by pool."""
        return self.tables.whole(self.mail.take("vectors", step))

    def add(self, step: int, wanted: Wanted, sums: Sequence[Floats]) -> float:
        """Adds the gradients of all workers in their order, where the rows lie; returns the sum of their squares."""
        self.mail.send("gradients", step, [self.tables.part(wanted, sums, to) for to in range(self.mail.workers)])
        sent = list(zip(self.asked, self.mail.take("gradients", step), strict=True))
        self.sums = [_added([(places[at], own[at]) for places, own in sent]) for at in range(len(self.tables.pools))]
        return sum(float(np.sum(own.astype(np.float64) ** 2)) for _, own in self.sums)

    def change(self, scale: float, scalars: Mapping[str, float]) -> None:
        """Changes the rows by the gradients that were added."""
        numbers = {name: number(value) for name, value in {**scalars, "scale": scale}.items()}
        for at, (pool, (places, gradient)) in enumerate(zip(self.tables.pools, self.sums, strict=True)):
            run, vectors, state = self.updates[at], self.vectors[at], self.state[at]
            if run is None or len(places) == 0 or (pool.rate is not None and scalars[pool.rate] == 0):
                continue
            found = run({**numbers, "table": vectors[places], "state": state[places], "gradient": gradient})
            for array, role in ((vectors, "table"), (state, "state")):
                for output in pool.update.named(role) if pool.update else ():
                    array[places] = found[output.name]


def _added(parts: list[tuple[Places, Floats]]) -> tuple[Places, Floats]:
    """The sums over workers in their order, of the rows that any has read."""
    if len(parts) == 1:
        return parts[0]
    places = np.unique(np.concatenate([own for own, _ in parts]))
    sums = np.zeros((len(places), parts[0][1].shape[1]), np.float32)
    for own, gradient in parts:
        sums[np.searchsorted(places, own)] += gradient
    return places, sums


def _first(job: Job, table: VectorTable, shard: int) -> Floats:
    """The vectors of a shard's rows before the first step."""
    shards, first = job.shards, table.first
    if "constant" in first:
        return np.full((table.rows_on(shard, shards), table.units), first["constant"], np.float32)
    if "file" in first:
        whole = read_tensors(job.file(first["file"]))[first["tensor"]]
        return np.array(whole[shard::shards], np.float32)
    vectors = _drawn(job, table, shard, first["drawn"])
    for row in first["zeros"]:
        if row % shards == shard:
            vectors[row // shards] = 0
    return vectors


def _drawn(job: Job, table: VectorTable, shard: int, given: Mapping[str, Any]) -> Floats:
    """Vectors that are drawn, some rows at a time: by the key of each row, or by one key of the whole table."""
    shards, units = job.shards, table.units
    rows = np.arange(shard, table.rows, shards)[:, None]
    vectors = np.empty((len(rows), units), np.float32)
    of_rows = given.get("keys")
    keys = read_tensors(job.file(of_rows["file"]))[of_rows["tensor"]][shard::shards] if of_rows else [given["key"]]
    for start in range(0, len(rows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        elements = np.arange(units) + (0 if of_rows else rows[some] * units)
        words = np.array(keys[some] if of_rows else keys, np.int64).astype(np.uint32)
        vectors[some] = drawn_at(words, elements.reshape(-1, units), given["spread"], given["size"])
    return vectors


_AT_ONCE = 2**16
