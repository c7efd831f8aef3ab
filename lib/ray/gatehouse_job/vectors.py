"""Vectors of tables: where their rows lie, what the runs of a step read of them, and the sums of their gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .job import Job, Part, VectorTable
from .tensors import Array, Arrays, Floats, Places


class Pool:
    """Tables whose vectors are of one size and change by one rule, as one array of rows.

    An address is the place of a row in it: the rows of a worker follow each other, in them those of a shard, in them
    those of a table. Row `r` lies on shard `r mod shards` at place `r div shards`, shard `s` on worker `s mod workers`.
    """

    def __init__(self, tables: Sequence[VectorTable], shards: int, workers: int) -> None:
        self.tables, self.shards = tables, shards
        self.units, self.state = tables[0].units, tables[0].state
        self.update, self.rate = tables[0].update, tables[0].rate
        self.starts = np.zeros((len(tables), shards), np.int64)
        self.bounds = np.zeros(workers + 1, np.int64)  # where the rows of each worker begin, and where all end
        self.size = 0
        for worker in range(workers):
            for shard in range(worker, shards, workers):
                for at, table in enumerate(tables):
                    self.starts[at, shard] = self.size
                    self.size += table.rows_on(shard, shards)
            self.bounds[worker + 1] = self.size

    def addresses(self, tables: Places, rows: Places) -> Places:
        """The addresses of rows of tables; the one after the last where a table has no such row."""
        sizes = np.array([table.rows for table in self.tables])[tables]
        found = self.starts[tables, rows % self.shards] + rows // self.shards
        return np.where((rows >= 0) & (rows < sizes), found, self.size)


class Piece:
    """Parts of a lookup that stand side by side and are of one pool."""

    def __init__(self, lookup: str, begin: int, at: int, pool: Pool, parts: Sequence[Part]) -> None:
        self.lookup, self.at, self.pool, self.parts = lookup, at, pool, parts
        self.begin, self.end = begin, begin + len(parts) * pool.units
        self.columns = np.array([len(part.columns) for part in parts])
        paths = [table.path for table in pool.tables]
        self.tables = np.repeat([paths.index(part.table) for part in parts], self.columns)
        self.first = np.repeat([part.first for part in parts], self.columns)

    def addresses(self, rows: Arrays) -> Places:
        """The addresses that they read, [batch, columns]."""
        codes = [_column(rows, part.codes)[:, list(part.columns)] for part in self.parts]
        return self.pool.addresses(self.tables, np.concatenate(codes, axis=1).astype(np.int64) - self.first)

    def weights(self, rows: Arrays) -> Floats | None:
        """The weights with which they read them, [batch, columns, 1]; none if all are 1."""
        if all(part.weights is None for part in self.parts):
            return None
        return np.concatenate([_weights(rows, part) for part in self.parts], axis=1)[:, :, None]


def _column(rows: Arrays, name: str) -> Array:
    return rows[name].reshape(len(rows[name]), -1)  # [batch, width]


def _weights(rows: Arrays, part: Part) -> Floats:
    if part.weights is None:
        return np.ones((len(rows[part.codes]), len(part.columns)), np.float32)
    return _column(rows, part.weights)[:, part.weights_from : part.weights_from + len(part.columns)].astype(np.float32)


@dataclass(frozen=True)
class Wanted:
    """What the runs of a step read."""

    addresses: list[Places]  # by pool, in growing order; the last is that of rows that are not there
    cuts: list[Places]  # by pool, where those of each worker begin, and where all end
    places: list[list[Places]]  # by run and piece, [batch, columns]: the places among the addresses


class Tables:
    """All tables of a job."""

    def __init__(self, job: Job, workers: int) -> None:
        alike: dict[tuple[int, str], list[VectorTable]] = {}
        for table in job.tables:
            alike.setdefault((table.units, table.update.path if table.update else ""), []).append(table)
        self.pools = [Pool(tables, job.shards, workers) for tables in alike.values()]
        pool_of = {table.path: at for at, pool in enumerate(self.pools) for table in pool.tables}
        self.pieces: list[Piece] = []
        for lookup in job.lookups:
            begin = 0
            for at, parts in groupby(lookup.parts, lambda part: pool_of[part.table]):
                self.pieces.append(Piece(lookup.name, begin, at, self.pools[at], list(parts)))
                begin = self.pieces[-1].end

    def wanted(self, runs: Sequence[Arrays]) -> Wanted:
        """What runs read, each row once."""
        wanted = Wanted([], [], [[piece.addresses(run) for piece in self.pieces] for run in runs])
        for at, pool in enumerate(self.pools):
            of = [(run, one) for run in wanted.places for one, piece in enumerate(self.pieces) if piece.at == at]
            named = np.concatenate([[pool.size], *(run[one].reshape(-1) for run, one in of)])
            addresses, places = np.unique(named, return_inverse=True)
            ends = np.cumsum([1, *(run[one].size for run, one in of)])
            for (run, one), begin, end in zip(of, ends, ends[1:], strict=False):
                run[one] = places[begin:end].reshape(run[one].shape)
            wanted.addresses.append(addresses)
            wanted.cuts.append(np.searchsorted(addresses, pool.bounds))
        return wanted

    def places(self, wanted: Wanted, worker: int) -> list[Places]:
        """The places on a worker of what is wanted, by pool."""
        own = self.part(wanted, wanted.addresses, worker)
        return [addresses - pool.bounds[worker] for pool, addresses in zip(self.pools, own, strict=True)]

    def part(self, wanted: Wanted, arrays: Sequence[Array], worker: int) -> list[Array]:
        """The part of arrays beside the addresses that is of a worker, by pool."""
        return [array[cuts[worker] : cuts[worker + 1]] for array, cuts in zip(arrays, wanted.cuts, strict=True)]

    def whole(self, parts: Sequence[Sequence[Floats]]) -> list[Floats]:
        """The vectors that are wanted, by pool, of those of each worker; the row that is not there has zeros."""
        nothing = [np.zeros((1, pool.units), np.float32) for pool in self.pools]
        return [np.concatenate(of) for of in zip(*parts, nothing, strict=True)]

    def inputs(self, vectors: Sequence[Floats], places: Sequence[Places], rows: Arrays) -> dict[str, Floats]:
        """The lookups of a run, [batch, width], of the vectors that are wanted."""
        found: dict[str, list[Floats]] = {}
        for piece, own in zip(self.pieces, places, strict=True):
            each = vectors[piece.at].take(own, axis=0)  # [batch, columns, units]
            weights = piece.weights(rows)
            if weights is not None:
                each *= weights
            if piece.columns.max() > 1:
                each = np.add.reduceat(each, np.cumsum(piece.columns) - piece.columns, axis=1)
            found.setdefault(piece.lookup, []).append(each.reshape(len(own), -1))
        return {name: own[0] if len(own) == 1 else np.concatenate(own, axis=1) for name, own in found.items()}

    def add(self, sums: Sequence[Floats], places: Sequence[Places], rows: Arrays, outputs: Arrays) -> None:
        """Adds the gradients of a run to those of the vectors that are wanted: sums over all places of each."""
        for piece, own in zip(self.pieces, places, strict=True):
            gradient = outputs.get(f"gradient/{piece.lookup}")
            if gradient is None or piece.pool.update is None:
                continue
            terms = gradient[:, piece.begin : piece.end].reshape(len(own), -1, piece.pool.units)
            terms = terms if piece.columns.max() == 1 else np.repeat(terms, piece.columns, axis=1)
            weights = piece.weights(rows)
            flat = (terms if weights is None else terms * weights).reshape(-1, piece.pool.units)
            for unit in range(piece.pool.units):
                found = np.bincount(own.reshape(-1), flat[:, unit], len(sums[piece.at]))
                sums[piece.at][:, unit] += found.astype(np.float32)
