"""A worker: runs the graphs of a training on the rows of its lanes, and sums with the others."""

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.actor import ActorHandle

from .checkpoints import ARRAYS, read_checkpoint, write_arrays
from .errors import Lost, Refusal, is_short, out_of_memory
from .graphs import Run, load_graph, number
from .job import Job, Noise, read_job
from .layout import Layout
from .rows import Rows, ahead, check_files, check_groups, joined, lane_batches, read_group
from .sums import AllReduce, alone, by_collective, by_objects
from .tensors import write_tensors
from .threefry import drawn, key_of
from .vectors import add_gradients, lookup_inputs, read_vectors, send_gradients
from .weighting import weighting_of

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prepared:
    """The rows of a step as its graphs take them, one run after the other, and the weights of tasks in each."""

    step: int
    runs: tuple[Rows, ...]
    counts: tuple[int, ...]
    weights: Floats  # [runs, tasks]


@dataclass(frozen=True)
class Place:
    """The place of a worker among the others."""

    rank: int
    workers: int
    transport: str
    group: str
    adders: Sequence[ActorHandle]
    shards: Sequence[ActorHandle]


class Worker:
    """An actor that takes the steps of a training."""

    def __init__(self, folder: str, storage: str, threads: int) -> None:
        self.job = read_job(Path(folder))
        self.data = Path(storage) / self.job.data.folder
        self.threads = threads
        self.run_of: dict[str, Run] = {}
        self.taken: list[Any] = []
        self.place = Place(0, 1, "alone", "", (), ())
        self.allreduce: AllReduce = alone
        self.weighting = weighting_of(self.job)
        self.state: dict[str, Floats] = {}
        self.scalars = _scalars(self.job)
        self.layout = Layout(self.job)
        self.step = 0
        self.rows = 0
        self.batches: list[Iterator[Rows | None]] = []
        self.prepared: Prepared | None = None
        self.totals: Floats | None = None

    def ready(self) -> bool:
        """Returns once the worker is there."""
        return True

    def check(self, rank: int, workers: int, is_checked: bool) -> None:
        """Loads the graphs, and makes sure that the rows of this worker can be read, and that they are whole."""
        job = self.job
        self.run_of = {name: load_graph(job, graph, self.threads) for name, graph in job.graphs.items()}
        groups = [group for lane in self._lanes(rank, workers) for group in self.job.lane_groups(lane)]
        check_groups(self.job, self.data, [*groups, *self.job.validation[rank::workers]])
        if not is_checked:
            check_files(self.job, self.data, rank, workers)

    def begin(self, place: Place, checkpoint: str | None, step: int) -> None:
        """Goes to the state after a step, that of a checkpoint or of the beginning."""
        job = self.job
        self.place = place
        if place.workers > 1:
            self.allreduce = (
                by_collective(place.rank, place.workers, place.group)
                if place.transport == "collective"
                else by_objects(place.rank, list(place.adders))
            )
        self.state = _first(job)
        if checkpoint is not None:
            found = read_checkpoint(Path(checkpoint))
            flats = found.flats()
            for name, flat in self.state.items():
                for one in self._extents():
                    flat[_places(one)] = flats[f"{name}/{one['name']}"]
            if "weighting" in found.facts:
                self.weighting.begin(found.facts["weighting"])
        self.step, self.rows = step, job.rows_after(step)
        self.batches = []
        self.prepared = None
        self.totals = None

    def run(self, count: int) -> dict[str, Any]:
        """Takes steps; returns their records, and the peak of this process's memory in bytes."""
        try:
            if not self.batches:
                lanes = self._lanes(self.place.rank, self.place.workers)
                self.batches = [lane_batches(self.job, self.data, lane, self.step + 1) for lane in lanes]
            records = [self._step() for _ in range(count)]
            self._wait()
        except (ray.exceptions.RayError, MemoryError) as error:
            raise _raised(error, self.step + 1) from error
        return {"records": records if self.place.rank == 0 else [], "peak": _peak()}

    def _lanes(self, rank: int, workers: int) -> list[int]:
        return list(range(rank, len(self.job.lanes), workers))

    def _prepare(self, step: int) -> Prepared | None:
        """The rows of a step; none after the last one."""
        job, (rank, workers) = self.job, (self.place.rank, self.place.workers)
        if step > job.steps:
            return None
        lanes = self._lanes(rank, workers)
        given = [(lane, rows) for lane, batches in zip(lanes, self.batches, strict=True) if (rows := next(batches))]
        parts = [[one] for one in given] if job.apart else [given] if given else []
        starts = np.cumsum([0, *(job.rows_at(lane, step) for lane in range(len(job.lanes)))])
        runs = tuple(
            {**joined([rows for _, rows in part]), **self._noise(step, [lane for lane, _ in part], starts)}
            for part in parts
        )
        counts = tuple(sum(job.rows_at(lane, step) for lane, _ in part) for part in parts)
        weights = np.zeros((len(runs), len(job.tasks)), np.float32)
        for place, run in enumerate(runs):
            found = self.run_of["weights"](run)
            weights[place] = [found[f"weight/{task.name}"] for task in job.tasks]
        return Prepared(step, runs, counts, weights)

    def _noise(self, step: int, lanes: list[int], starts: npt.NDArray[np.int64]) -> Rows:
        """The random numbers of the rows of lanes in a step, as they are among those of the whole batch."""

        def of(noise: Noise) -> Array:
            key = key_of(f"{self.job.seed}:{step}:{noise.name}")
            each = [int(length) for length in noise.shape if length != "batch"]
            size = int(np.prod(each))
            if "batch" not in noise.shape:
                return drawn(key, 0, size, noise.kind, 1).reshape(each)
            pieces = [
                drawn(key, int(starts[lane]) * size, int(starts[lane + 1] - starts[lane]) * size, noise.kind, 1)
                for lane in lanes
            ]
            return np.concatenate(pieces).reshape(-1, *each)

        return {noise.name: of(noise) for noise in self.job.noise}

    def _step(self) -> dict[str, Any]:
        """Takes a step, and returns its record."""
        job, step, rank = self.job, self.step + 1, self.place.rank
        now = self.prepared or self._prepare(step)
        assert now is not None and now.step == step
        layout = self.layout
        if self.totals is None:
            self.totals = self._first_totals(layout, now)
        epoch = job.epoch_of(step)
        factors = self.weighting.factors(epoch)
        rows_in_all = job.batch_at(step)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(self.totals > 0, now.weights / self.totals, 0)  # [runs, tasks]
        read = read_vectors(job, self.place.shards, now.runs, step) if job.lookups else None
        sums = layout.zeros()
        for run, count, share in zip(now.runs, now.counts, shares, strict=True):
            given: dict[str, Array] = {**run, "parameters": self.state["parameters"]}
            if read is not None:
                given |= lookup_inputs(job, read, run)
            given |= {f"factor/{task.name}": number(factors[at] * share[at]) for at, task in enumerate(job.tasks)}
            given |= {"share": number(count / rows_in_all), "carry": number(0), **layout.kept_zeros()}
            found = self.run_of["gradients"](self._named("gradients", given))
            layout.add(sums, found, share, count / rows_in_all)
            if read is not None:
                add_gradients(job, read, run, found)
        squares = send_gradients(job, self.place.shards, read, step, rank) if read is not None else []
        self.prepared = self._prepare(step + 1)
        if self.prepared is not None:
            layout.put_weights(sums, self.prepared.weights.sum(axis=0, dtype=np.float32))
        sums = self.allreduce(sums)
        reported = layout.reported(sums)
        record: dict[str, Any] = {"epoch": epoch, "step": step, "steps": job.steps, **reported}
        record["weights"] = {task.name: task.weight * float(factors[at]) for at, task in enumerate(job.tasks)}
        wrong = _wrong(reported, self.job)
        if wrong is not None:
            raise self._refused(step, wrong)
        norm_of_vectors = float(np.sqrt(sum(ray.get(squares)))) if squares else 0.0
        record["norm"] = self._update(step, layout.inputs(sums), norm_of_vectors)
        labelled = np.array([self.totals[at] > 0 and task.weight > 0 for at, task in enumerate(job.tasks)])
        losses = np.array([reported["loss"][task.name] for task in job.tasks], np.float64)
        self.weighting.next(epoch, losses, labelled, self._scalars_at(step))
        self.step, self.rows = step, self.rows + rows_in_all
        self.totals = layout.weights(sums)
        return {**record, "rows": self.rows}

    def _first_totals(self, layout: Layout, now: Prepared) -> Floats:
        """The weights of tasks in the first step over all workers: summed at their place, so that bits are the same."""
        sums = layout.zeros()
        layout.put_weights(sums, now.weights.sum(axis=0, dtype=np.float32))
        return layout.weights(self.allreduce(sums))

    def _update(self, step: int, summed: Mapping[str, Array], vectors: float) -> float:
        """Moves parameters, slots and vectors by the gradient over all workers; returns its norm."""
        job = self.job
        scalars = self._scalars_at(step)
        numbers = {name: number(value) for name, value in scalars.items()}
        given = {**numbers, **self.state, **summed, "vectors": number(vectors)}
        found = self.run_of["update"](self._named("update", given))
        outputs = job.graphs["update"].outputs
        for output in outputs:
            if output.role in ("norm", "moved") and not np.isfinite(found[output.name]):
                what = "the gradient" if output.role == "norm" else "the sum of the parameters after it"
                raise self._refused(step, f"{what} is {float(found[output.name])}")
        norm = next(float(found[output.name]) for output in outputs if output.role == "norm")
        for output in outputs:
            if output.role in ("parameters", "slot"):
                self.state["parameters" if output.role == "parameters" else output.name] = found[output.name]
        if self.place.rank == 0:
            limit = job.clip_norm
            scale = limit / norm if limit is not None and norm > limit else 1.0
            self._wait()
            self.taken = [shard.take.remote(step, scale, scalars) for shard in self.place.shards]
        return norm

    def _wait(self) -> None:
        """Waits for the shards to have taken the last step: an error there is one of this worker."""
        taken, self.taken = self.taken, []
        if taken:
            ray.get(taken)

    def _named(self, graph: str, given: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs of a graph by their names: those that come from one place have its name."""
        inputs = self.job.graphs[graph].inputs
        return {one.name: given[one.origin if one.origin in _ALONE else one.name] for one in inputs}

    def _scalars_at(self, step: int) -> dict[str, float]:
        return {
            name: float(value if isinstance(value, float) else value[step - 1]) for name, value in self.scalars.items()
        }

    def _refused(self, step: int, wrong: str) -> Refusal:
        sizes = [
            (np.nan_to_num(np.abs(self.state["parameters"][_places(one)]), nan=np.inf).max(initial=0), one["name"])
            for one in self._extents()
        ]
        size, path = max(sizes, default=(0.0, "none"))
        return Refusal(
            f"Cannot train: at step {step} {wrong}",
            f"the largest parameter is {path}, {size:.3g} in size",
            "the step was not taken: try a smaller learning rate, or clipNorm",
        )

    def _extents(self) -> Sequence[Mapping[str, Any]]:
        extents: Sequence[Mapping[str, Any]] = self.job.raw["parameters"]["extents"]
        return extents

    def write(self, folder: str) -> tuple[list[dict[str, Any]], Any, dict[str, Any]]:
        """Writes the parameters and what training keeps beside them; returns what a checkpoint says of them."""
        path, metadata, extents = Path(folder), self.job.raw["model"]["metadata"], self._extents()
        name = "params-00001-of-00001.safetensors" if self.job.tables else "params.safetensors"
        parameters = {one["name"]: self.state["parameters"][_places(one)].reshape(one["shape"]) for one in extents}
        flats = {f"{name}/{one['name']}": flat[_places(one)] for name, flat in self.state.items() for one in extents}
        files = {name: write_tensors(path / name, parameters, metadata)}
        entries, files[ARRAYS] = write_arrays(path / ARRAYS, flats)
        return entries, self.weighting.saved(), files

    def evaluate(self, rank: int, workers: int) -> list[dict[str, Any]]:
        """Runs the graph of evaluation on this worker's row groups; returns what judges need, piece by piece."""
        try:
            groups = list(enumerate(self.job.validation))[rank::workers]

            def pieces() -> Iterator[tuple[int, Rows]]:
                return ((place, read_group(self.job, self.data, group)) for place, group in groups)

            return [self._evaluated(place, rows) for place, rows in ahead(pieces)]
        except (ray.exceptions.RayError, MemoryError) as error:
            raise _raised(error, self.step + 1) from error

    def _evaluated(self, place: int, rows: Rows) -> dict[str, Any]:
        """The outputs of a row group: sums of losses and weights, and the rows' predictions and labels by task."""
        job, graph, at_once = self.job, self.job.graphs["evaluate"], int(self.job.raw["evaluate"]["rows"])
        count = len(next(iter(rows.values())))
        sums = {name: 0.0 for output in graph.outputs if (name := output.name) and output.role in _SUMMED}
        judged: dict[str, list[Array]] = {o.name: [] for o in graph.outputs if o.role in ("prediction", "logits")}
        for start in range(0, count, at_once):
            piece = {name: array[start : start + at_once] for name, array in rows.items()}
            given: dict[str, Array] = {**piece, "parameters": self.state["parameters"]}
            if job.lookups:
                read = read_vectors(job, self.place.shards, [piece], self.step + 1)
                given |= lookup_inputs(job, read, piece)
            found = self.run_of["evaluate"](self._named("evaluate", given))
            size = len(next(iter(piece.values())))
            for output in graph.outputs:
                value = found[output.name]
                if output.role in ("prediction", "logits"):
                    judged[output.name].append(value)
                elif output.role == "loss":
                    weight = float(found[f"weight/{output.name.removeprefix('loss/')}"])
                    sums[output.name] += float(value) * weight if weight > 0 else 0.0
                elif output.role == "weight":
                    sums[output.name] += float(value)
                elif output.role == "auxiliary":
                    sums[output.name] += float(value) * size
        tasks = {
            task.name: {
                "prediction": np.concatenate(judged[task.name]),
                "logits": np.concatenate(judged[f"logits/{task.name}"]),
                "label": rows[f"labels/{task.name}"].reshape(-1),
                "weight": rows[f"weights/{task.name}"],
            }
            for task in job.tasks
        }
        return {"place": place, "rows": count, "sums": sums, "tasks": tasks}


_ALONE = ("parameters", "gradient", "vectors", "share", "carry")  # places from which one input comes
_SUMMED = ("loss", "weight", "auxiliary")


def _raised(error: Exception, step: int) -> Exception:
    """What a call of another actor has raised; that it is lost, if it is gone; and that there is no memory left."""
    if is_short(error):
        return out_of_memory("a worker ran out of memory", f"at step {step}, {error}", _peak())
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else None
    if cause is not None and not isinstance(cause, ray.exceptions.RayError):
        return cause  # type: ignore[no-any-return]
    return Lost(f"a process of the training is gone: {type(cause or error).__name__}")


def _peak() -> int:
    """The most memory that this process has taken, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _places(extent: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """The places of a parameter in the flat array, in its own order."""
    size, row = int(np.prod(extent["shape"])), extent["row"]
    count = size // row["length"] if row["length"] else 0
    starts: npt.NDArray[np.int64] = extent["start"] + np.arange(count) * row["apart"]
    return (starts[:, None] + np.arange(row["length"])).reshape(-1)


def _first(job: Job) -> dict[str, Floats]:
    """The parameters and what training keeps beside them before the first step, [size] each."""
    found = {"parameters": np.array(job.arrays[job.raw["parameters"]["tensor"]])}
    for slot in job.raw["slots"]:
        given = job.arrays[slot["tensor"]] if "tensor" in slot else slot["first"]
        found[slot["name"]] = np.full(job.raw["parameters"]["size"], given, np.float32)
    return found


def _scalars(job: Job) -> dict[str, Any]:
    """The scalars of optimisers by name: a number, or one of each step."""
    return {
        name: float(given["constant"]) if "constant" in given else np.array(job.arrays[given["array"]])
        for name, given in job.scalars.items()
    }


def _wrong(reported: Mapping[str, Any], job: Job) -> str | None:
    """The first reported number that a step cannot be taken with, in words."""
    for task, value in reported["loss"].items():
        if not np.isfinite(value):
            return f"the loss of task {task!r} is {value}"
        if value < 0 and job.weighting is not None:
            name = job.weighting["name"]
            return f"the loss of task {task!r} is {value}: the weighting {name} needs losses of at least 0"
    for path, value in reported["auxiliary"].items():
        if not np.isfinite(value):
            return f"the loss {path} is {value}"
    return None if np.isfinite(reported["total"]) else f"the sum of the losses is {reported['total']}"
