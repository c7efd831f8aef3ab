"""Rows of Parquet row groups: checked, read a window ahead, and put in the order that seeds determine."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import Refusal
from .job import Column, Group, Job, check_file
from .tensors import Array, Places
from .threefry import permutation

Rows = dict[str, Array]
T = TypeVar("T")


def check_files(job: Job, folder: Path, rank: int, workers: int) -> None:
    """Makes sure that files are what was encoded, to the last byte: each worker looks at its share of all of them."""
    known = {**job.data.train.files, **(job.data.validation.files if job.data.validation else {})}
    for file in sorted(known)[rank::workers]:
        check_file(folder / file, known[file], _ANEW)


def check_groups(job: Job, folder: Path, groups: Sequence[Group]) -> None:
    """Makes sure that row groups are there, of as many rows and of the columns that the job says."""
    for file in dict.fromkeys(group.file for group in groups):
        path = folder / file
        try:
            parquet = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise _wrong(path, f"{path.name}: {error}", "give every node the storage, or encode anew") from error
        with parquet:
            for column in job.columns_read.values():
                place = parquet.schema_arrow.get_field_index(column.column)
                kind = "no such column" if place < 0 else str(parquet.schema_arrow.field(place).type)
                plain = {"float32": "float", "int32": "int32"}[column.dtype]
                wanted = plain if column.stored == "plain" else f"fixed_size_binary[{4 * (column.width or 1)}]"
                if kind != wanted:
                    what = f"column {column.column!r} of {path.name}: found {kind}, wanted {wanted}"
                    raise _wrong(path, what, f"{_ANEW}: it is not what the job was written for")
            for group in (one for one in groups if one.file == file):
                count = parquet.metadata.num_row_groups
                found = parquet.metadata.row_group(group.place).num_rows if group.place < count else 0
                if found != group.rows:
                    what = f"row group {group.place} of {file}: found {found} rows, wanted {group.rows}"
                    raise _wrong(path, what, f"{_ANEW}: it is not what the job was written for")


_ANEW = "encode the data anew"


def _wrong(path: Path, what: str, remedy: str) -> Refusal:
    return Refusal(f"Cannot read {what}", str(path), remedy)


def read_group(job: Job, folder: Path, group: Group) -> Rows:
    """The rows of a row group, by the inputs that read them."""
    path = folder / group.file
    try:
        with pq.ParquetFile(path) as parquet:
            names = list(dict.fromkeys(column.column for column in job.columns_read.values()))
            table = parquet.read_row_group(group.place, columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        remedy = f"{_ANEW}, or bring the file back: the same job goes on from its last checkpoint"
        raise _wrong(path, f"row group {group.place} of {group.file}: {error}", remedy) from error
    return {name: _numbers(table.column(column.column), column) for name, column in job.columns_read.items()}


def _numbers(found: pa.ChunkedArray, column: Column) -> Array:
    """The numbers of a column, [rows] or [rows, width]: those in its memory, as it has no nulls."""
    whole, width = found.combine_chunks(), column.width or 1
    dtype = np.dtype(column.dtype).newbyteorder("<")
    numbers = np.frombuffer(whole.buffers()[1], dtype, len(whole) * width, 4 * whole.offset * width)
    return numbers if column.width is None else numbers.reshape(-1, width)


def lane_batches(job: Job, folder: Path, lane: int, step: int) -> Iterator[Rows | None]:
    """The rows that a lane gives to each step from one on (counted from 1), None where it gives none; endless."""
    size = job.window
    windows: Iterator[tuple[Places, Rows]] | None = None
    at = -1  # the window that is held
    order: Places = np.zeros(0, np.int64)
    rows: Rows = {}
    for now in range(step, job.steps + 1):
        count = job.rows_at(lane, now)
        if count == 0:
            yield None
            continue
        begin = ((now - 1) % job.steps_per_epoch) * job.share
        key = job.epoch_of(now) * 2**32 + begin // size
        if windows is None:  # at the first step to which the lane gives rows
            windows = ahead(partial(_windows, job, folder, lane, job.epoch_of(now), begin // size))
        if key != at:
            order, rows = next(windows)
            at = key
        taken = order[begin % size : begin % size + count]
        yield {name: array[taken] for name, array in rows.items()}


def _windows(job: Job, folder: Path, lane: int, epoch: int, first: int) -> Iterator[tuple[Places, Rows]]:
    """The windows of a lane and the order of their rows, from one window of an epoch on, over all epochs."""
    groups, seed = job.lane_groups(lane), job.seeds[lane]
    for now in range(epoch, job.epoch_of(job.steps) + 1):
        parts = permutation(len(groups), f"{seed}:parts:{now}") if job.shuffle_groups else np.arange(len(groups))
        begun = first if now == epoch else 0
        ordered = [groups[part] for part in parts.tolist()]
        for number, rows in enumerate(_cut(job, folder, ordered, begun * job.window), begun):
            count = len(next(iter(rows.values())))
            order = permutation(count, f"{seed}:order:{now}:{number}") if job.shuffle else np.arange(count)
            yield order, rows


def _cut(job: Job, folder: Path, groups: list[Group], skip: int) -> Iterator[Rows]:
    """The rows of groups, one after the other, from a row on, in windows."""
    pieces: list[Rows] = []
    held = 0
    for group in groups:
        if skip >= group.rows:
            skip -= group.rows
            continue
        rows, at = read_group(job, folder, group), skip
        skip = 0
        while at < group.rows:
            some = min(job.window - held, group.rows - at)
            pieces.append({name: array[at : at + some] for name, array in rows.items()})
            at, held = at + some, held + some
            if held == job.window:
                yield joined(pieces)
                pieces, held = [], 0
    if held > 0:
        yield joined(pieces)


def joined(pieces: list[Rows]) -> Rows:
    """Rows one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def ahead(begin: Callable[[], Iterator[T]]) -> Iterator[T]:
    """What an iterator yields, each computed on a thread while the one before is used."""
    source = begin()
    end = object()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, source, end)
        while (found := pending.result()) is not end:
            pending = pool.submit(next, source, end)
            yield found  # type: ignore[misc]
