"""The job: what is to be run, as job.json in its folder says. Its writer gives every field: there are no defaults."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from .errors import Refusal
from .tensors import Array, read_tensors, sha256_of

FORMAT = "gatehouse job 2"


@dataclass(frozen=True)
class Group:
    """A row group of a Parquet file in the data folder."""

    file: str
    place: int
    rows: int


@dataclass(frozen=True)
class Rows:
    """Row groups, and the SHA-256 of their files."""

    groups: tuple[Group, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Data:
    """The folder of the rows, within the storage, and those to train and to evaluate on."""

    folder: str
    train: Rows
    validation: Rows | None


@dataclass(frozen=True)
class Column:
    """What an input of graphs is read from: a column of numbers, or of lists of them as bytes."""

    column: str
    dtype: str
    shape: tuple[int | str, ...]
    stored: str

    @property
    def width(self) -> int | None:
        """The numbers of a row; none if it is one, not a list of one."""
        return int(self.shape[1]) if len(self.shape) > 1 else None


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
class Label:
    """The scale of labels, which are stored as (label - mean) / scale."""

    mean: float
    scale: float


@dataclass(frozen=True)
class Task:
    """A task: its weight in reports, the scale of its labels, and the metrics that judge it."""

    name: str
    weight: float
    label: Label
    metrics: Mapping[str, Mapping[str, str]]


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
    first: Mapping[str, Any]
    update: GraphFile | None
    rate: str | None

    def rows_on(self, shard: int, shards: int) -> int:
        """The number of its rows on a shard: those whose number is the shard's modulo all shards."""
        return max(0, -(-(self.rows - shard) // shards))


@dataclass(frozen=True)
class Job:
    """A job, as its folder holds it; `raw` has what is read in one place alone."""

    seed: int
    batch: int
    lanes: tuple[tuple[int, ...], ...]
    seeds: tuple[str, ...]
    window: int
    shuffle: bool
    shuffle_groups: bool
    steps_per_epoch: int
    steps: int
    apart: bool
    data: Data
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
    files: Mapping[str, str]
    folder: Path
    digest: str
    raw: Mapping[str, Any]
    lane_rows: tuple[int, ...] = field(init=False)  # the rows of each lane
    columns_read: Mapping[str, Column] = field(init=False)  # those that graphs and lookups read
    whole: set[str] = field(init=False, default_factory=set)  # the files that were found to be what was written

    def __post_init__(self) -> None:
        """Computes what is asked for in every step."""
        rows = (sum(group.rows for group in self.lane_groups(lane)) for lane in range(len(self.lanes)))
        object.__setattr__(self, "lane_rows", tuple(rows))
        names = {one.name for graph in self.graphs.values() for one in graph.reads("column")}
        parts = [part for lookup in self.lookups for part in lookup.parts]
        names |= {name for part in parts for name in (part.codes, part.weights) if name is not None}
        object.__setattr__(self, "columns_read", {name: self.columns[name] for name in sorted(names)})

    def file(self, name: str) -> Path:
        """The path of one of its files, which was found to be what was written."""
        if name not in self.whole:
            check_file(self.folder / name, self.files.get(name), "write the job anew")
            self.whole.add(name)
        return self.folder / name

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays of its own by name: first parameters, and numbers of each step."""
        return read_tensors(self.file("arrays.safetensors"))

    @property
    def validation(self) -> tuple[Group, ...]:
        """The row groups to evaluate on."""
        return self.data.validation.groups if self.data.validation else ()

    @property
    def share(self) -> int:
        """The rows that a lane gives to a step."""
        return self.batch // len(self.lanes)

    def lane_groups(self, lane: int) -> list[Group]:
        """The row groups that a lane reads, as they are listed."""
        return [self.data.train.groups[place] for place in self.lanes[lane]]

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


def read_job(folder: Path) -> Job:
    """Reads the job of a folder; the first line of job.json has the SHA-256 of the others."""
    path = folder / "job.json"
    try:
        whole = path.read_bytes()
        raw = json.loads(whole.decode())
    except OSError as error:
        raise Refusal(f"Cannot read the job: {error.strerror}", str(path), "give --job the folder of a job") from error
    except ValueError as error:  # of JSON, or of UTF-8
        raise Refusal(f"Cannot read the job: {error}", str(path), "write the job anew") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        what = f"Cannot read the job: found the format {found!r}, wanted {FORMAT!r}"
        raise Refusal(what, str(path), "write the job and its program by one version of Gatehouse")
    digest = hashlib.sha256(whole.partition(b"\n")[2]).hexdigest()
    if raw.get("sha256") != digest:
        raise _damaged(path, "write the job anew")
    try:
        job: Job = parsed(Job, {**raw, "folder": folder, "digest": digest, "raw": raw}, "")
    except (ValueError, LookupError) as error:
        raise Refusal(f"Cannot read the job: {error}", str(path), "write the job anew") from error
    return job


def parsed(kind: Any, value: Any, at: str) -> Any:
    """A value of JSON as a type; an error names its place. An object of things is a list of things with names."""
    of, origin = get_args(kind), get_origin(kind)
    start = f"{at}." if at else ""
    if origin is UnionType:
        if value is None and NoneType in of:
            return None
        return parsed(str if isinstance(value, str) and str in of else of[0], value, at)
    if origin is tuple and isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()):
        return tuple(parsed(of[0], {"name": name, **one}, start + name) for name, one in value.items())
    if origin is tuple and isinstance(value, list):
        return tuple(parsed(of[0], one, f"{at}[{place}]") for place, one in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {name: parsed(of[1], one, start + name) for name, one in value.items()}
    if is_dataclass(kind) and isinstance(value, dict):
        names, types = [one.name for one in fields(kind) if one.init], get_type_hints(kind)
        made: Any = kind
        return made(**{name: parsed(types[name], value.get(_key(name)), start + _key(name)) for name in names})
    plain = (int, float) if kind is float else kind if kind in (int, str, bool, Path) else ()
    if kind is Any or (isinstance(value, plain) and (kind is bool) == isinstance(value, bool)):
        return float(value) if kind is float else value
    wanted = _WORDS.get(origin or kind, "an object")
    raise ValueError(f"{at or 'it'}: found {'nothing' if value is None else f'{value!r:.60}'}, wanted {wanted}")


_NAMES = {"origin": "from", "place": "group"}
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", tuple: "a list"}


def _key(name: str) -> str:
    """The name of a field in JSON."""
    first, *others = _NAMES.get(name, name).split("_")
    return first + "".join(word.capitalize() for word in others)


def check_file(path: Path, digest: str | None, remedy: str) -> None:
    """Makes sure that a file is what was written."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise Refusal(f"Cannot read {path.name}: {error.strerror}", str(path), remedy) from error
    if found != digest:
        raise _damaged(path, remedy)


def _damaged(path: Path, remedy: str) -> Refusal:
    what = f"Cannot read {path.name}: it is damaged: its bytes are not those that were written"
    return Refusal(what, str(path), remedy)
