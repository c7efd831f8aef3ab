"""The job: what is to be run, as job.json in its folder says."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Refusal

FORMAT = "gatehouse job 1"


@dataclass(frozen=True)
class Group:
    """A row group of a Parquet file in the data folder."""

    file: str
    place: int
    rows: int


@dataclass(frozen=True)
class Column:
    """What an input of graphs is read from: a column of numbers, or of lists of them as bytes."""

    column: str
    dtype: str
    width: int | None
    stored: str


@dataclass(frozen=True)
class Input:
    """An input of a graph: its name, its name in the file, and where it comes from."""

    name: str
    onnx: str
    origin: str


@dataclass(frozen=True)
class Output:
    """An output of a graph: its name, its name in the file, and its part in a step."""

    name: str
    onnx: str
    role: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class GraphFile:
    """A graph of ONNX in the job's folder."""

    path: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    def named(self, role: str) -> tuple[Output, ...]:
        """The outputs of a role."""
        return tuple(output for output in self.outputs if output.role == role)

    def reads(self, origin: str) -> tuple[Input, ...]:
        """The inputs that come from one place."""
        return tuple(one for one in self.inputs if one.origin == origin)


@dataclass(frozen=True)
class Noise:
    """Random numbers that a graph reads, drawn for the whole batch by seed and step."""

    name: str
    kind: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Task:
    """A task: its weight in reports, the scale of its labels, and the metrics that judge it."""

    name: str
    weight: float
    mean: float
    scale: float
    metrics: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Part:
    """A part of a lookup: vectors of one table, summed over columns of codes."""

    table: str
    units: int
    codes: str
    columns: tuple[int, ...]
    first: int
    weights: str | None
    weights_from: int


@dataclass(frozen=True)
class Lookup:
    """An input of vectors that stand side by side, [batch, width]."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class VectorTable:
    """A table of vectors, whose rows lie on shards."""

    path: str
    rows: int
    units: int
    state: int
    initial: float
    trained: bool
    first: Mapping[str, Any]
    update: GraphFile | None
    rate: str | None

    def rows_on(self, shard: int, shards: int) -> int:
        """The number of its rows on a shard: those whose number is the shard's modulo all shards."""
        return max(0, -(-(self.rows - shard) // shards))


@dataclass(frozen=True)
class Job:
    """A job, as its folder holds it."""

    folder: Path
    digest: str
    raw: Mapping[str, Any]
    seed: str
    batch: int
    lanes: tuple[tuple[int, ...], ...]
    lane_rows: tuple[int, ...]
    seeds: tuple[str, ...]
    window: int
    shuffle: bool
    steps_per_epoch: int
    steps: int
    apart: bool
    data: str
    train: tuple[Group, ...]
    validation: tuple[Group, ...]
    columns: Mapping[str, Column]
    tasks: tuple[Task, ...]
    graphs: Mapping[str, GraphFile]
    noise: tuple[Noise, ...]
    scalars: Mapping[str, Mapping[str, Any]]
    tables: tuple[VectorTable, ...]
    lookups: tuple[Lookup, ...]
    shards: int
    clip_norm: float | None
    weighting: Mapping[str, Any] | None

    @property
    def share(self) -> int:
        """The rows that a lane gives to a step."""
        return self.batch // len(self.lanes)

    def lane_groups(self, lane: int) -> list[Group]:
        """The row groups that a lane reads, as they are listed."""
        return [self.train[place] for place in self.lanes[lane]]

    def rows_at(self, lane: int, step: int) -> int:
        """The rows that a lane gives to a step, counted from 1 over all epochs."""
        within = (step - 1) % self.steps_per_epoch
        return max(0, min(self.share, self.lane_rows[lane] - within * self.share))

    def batch_at(self, step: int) -> int:
        """The rows of a step over all lanes."""
        return sum(self.rows_at(lane, step) for lane in range(len(self.lanes)))

    def rows_after(self, step: int) -> int:
        """The rows of all steps up to one."""
        epochs, rest = divmod(step, self.steps_per_epoch)
        return epochs * sum(self.lane_rows) + sum(min(rows, rest * self.share) for rows in self.lane_rows)

    def epoch_of(self, step: int) -> int:
        """The epoch of a step, both from 1."""
        return (step - 1) // self.steps_per_epoch + 1

    def columns_read(self) -> list[str]:
        """The inputs that graphs and lookups read from columns."""
        names = {one.name for graph in self.graphs.values() for one in graph.reads("column")}
        parts = [part for lookup in self.lookups for part in lookup.parts]
        names |= {part.codes for part in parts} | {part.weights for part in parts if part.weights is not None}
        return sorted(names)


def read_job(folder: Path) -> Job:
    """Reads the job of a folder."""
    path = folder / "job.json"
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise Refusal(f"Cannot read the job: {error.strerror}", str(path), "give --job the folder of a job") from error
    try:
        raw = json.loads(whole.decode())
    except ValueError as error:  # of JSON, or of UTF-8
        raise Refusal(f"Cannot read the job: {error}", str(path), "write the job anew") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise Refusal(
            f"Cannot read the job: found the format {found!r}, wanted {FORMAT!r}",
            str(path),
            "write the job and its program by one version of Gatehouse",
        )
    try:
        job = _job(folder, hashlib.sha256(whole).hexdigest(), raw)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Refusal(f"Cannot read the job: {error!r}", str(path), "write the job anew") from error
    if job.batch % len(job.lanes) != 0:
        raise Refusal(
            f"Cannot run the job: its {len(job.lanes)} lanes do not divide a batch of {job.batch} rows",
            str(path),
            "write the job anew with other lanes",
        )
    return job


def _job(folder: Path, digest: str, raw: dict[str, Any]) -> Job:
    data = raw["data"]
    train = _groups(data["train"])
    return Job(
        folder=folder,
        digest=digest,
        raw=raw,
        seed=str(raw["seed"]),
        batch=int(raw["batch"]),
        lanes=tuple(tuple(lane) for lane in raw["lanes"]),
        lane_rows=tuple(sum(train[place].rows for place in lane) for lane in raw["lanes"]),
        seeds=tuple(raw["seeds"]),
        window=int(raw["window"]),
        shuffle=bool(raw.get("shuffle", True)),
        steps_per_epoch=int(raw["stepsPerEpoch"]),
        steps=int(raw["steps"]),
        apart=bool(raw.get("apart", False)),
        data=data.get("folder", "data"),
        train=train,
        validation=_groups(data.get("validation")),
        columns={name: _column(one) for name, one in raw["columns"].items()},
        tasks=tuple(_task(name, one) for name, one in raw["tasks"].items()),
        graphs={name: graph_file(one) for name, one in raw["graphs"].items()},
        noise=tuple(Noise(one["name"], one["kind"], tuple(one["shape"])) for one in raw.get("noise", [])),
        scalars=raw.get("scalars", {}),
        tables=tuple(_vector_table(one) for one in raw.get("tables", [])),
        lookups=tuple(Lookup(one["name"], tuple(map(_part, one["parts"]))) for one in raw.get("lookups", [])),
        shards=int(raw.get("shards", 0)),
        clip_norm=raw.get("clipNorm"),
        weighting=raw.get("weighting"),
    )


def _groups(table: Mapping[str, Any] | None) -> tuple[Group, ...]:
    groups: Sequence[Mapping[str, Any]] = table["groups"] if table else ()
    return tuple(Group(one["file"], int(one["group"]), int(one["rows"])) for one in groups)


def _column(one: Mapping[str, Any]) -> Column:
    shape = one["shape"]
    return Column(one["column"], one["dtype"], int(shape[1]) if len(shape) > 1 else None, one["stored"])


def _task(name: str, one: Mapping[str, Any]) -> Task:
    label = one.get("label", {})
    return Task(
        name, float(one["weight"]), float(label.get("mean", 0)), float(label.get("scale", 1)), one.get("metrics", {})
    )


def graph_file(one: Mapping[str, Any]) -> GraphFile:
    """The graph that a part of job.json describes."""
    return GraphFile(
        path=one["path"],
        inputs=tuple(Input(each["name"], each["onnx"], each["from"]) for each in one["inputs"]),
        outputs=tuple(
            Output(each["name"], each["onnx"], each["role"], tuple(each["shape"])) for each in one["outputs"]
        ),
    )


def _vector_table(one: Mapping[str, Any]) -> VectorTable:
    update = one.get("update")
    return VectorTable(
        path=one["path"],
        rows=int(one["rows"]),
        units=int(one["units"]),
        state=int(one.get("state", 0)),
        initial=float(one.get("initial", 0)),
        trained=bool(one["trained"]),
        first=one["first"],
        update=graph_file(update) if update else None,
        rate=one.get("rate"),
    )


def _part(one: Mapping[str, Any]) -> Part:
    weights = one.get("weights")
    return Part(
        table=one["table"],
        units=int(one["units"]),
        codes=one["codes"],
        columns=tuple(one["columns"]),
        first=int(one.get("first", 0)),
        weights=weights["input"] if weights else None,
        weights_from=int(weights.get("from", 0)) if weights else 0,
    )
