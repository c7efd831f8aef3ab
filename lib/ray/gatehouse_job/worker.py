"""A worker: runs the graphs of a training on the rows of its lanes, and sums with the others."""

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.actor import ActorHandle

from .checkpoints import ARRAYS, read_checkpoint, write_arrays
from .errors import Lost, Refusal, is_short, out_of_memory
from .flat import cut, filled, first_state, parameters_of
from .graphs import Run, load_graph, number
from .job import Job, Noise, read_job
from .judging import evaluated
from .layout import Layout
from .mail import Mail
from .rows import Rows, ahead, check_files, check_groups, joined, lane_batches, read_group
from .shards import Shards
from .sums import AllReduce, alone, by_collective, by_objects
from .tensors import Array, Arrays, Floats, Places, write_tensors
from .threefry import drawn, key_of
from .vectors import Tables, Wanted
from .weighting import weighting_of


@dataclass(frozen=True)
class Prepared:
    """The rows of a step as its graphs take them, one run after the other, and the weights of tasks in each."""

    step: int
    runs: tuple[Rows, ...]
    counts: tuple[int, ...]
    weights: Floats  # [runs, tasks]
    wanted: Wanted  # vectors


class Worker:
    """An actor that takes the steps of a training."""

    def __init__(self, folder: str, storage: str, threads: int) -> None:
        self.job = read_job(Path(folder))
        self.data = Path(storage) / self.job.data.folder
        self.threads = threads
        self.run_of: dict[str, Run] = {}
        self.mail = Mail()
        self.tables = Tables(self.job, 1)
        self.shards: Shards | None = None
        self.allreduce: AllReduce = alone
        self.weighting = weighting_of(self.job)
        self.state: dict[str, Floats] = {}
        self.scalars = _scalars(self.job)
        self.layout = Layout(self.job)
        self.step = 0
        self.coming: Iterator[Prepared] | None = None
        self.now: Prepared | None = None
        self.totals = np.zeros(len(self.job.tasks), np.float32)  # the weights of tasks in the next step

    def ready(self) -> bool:
        """Returns once the worker is there."""
        return True

    def check(self, rank: int, workers: int, is_checked: bool = False) -> None:
        """Loads the graphs, and makes sure that the rows of this worker can be read, and that they are whole."""
        job = self.job
        self.run_of = {name: load_graph(job, graph, self.threads) for name, graph in job.graphs.items()}
        groups = [group for lane in self._lanes(rank, workers) for group in job.lane_groups(lane)]
        check_groups(job, self.data, [*groups, *job.validation[rank::workers]])
        if not is_checked:
            check_files(job, self.data, rank, workers)

    def begin(
        self,
        rank: int = 0,
        peers: Sequence[ActorHandle | None] = (None,),
        group: str | None = None,
        checkpoint: str | None = None,
        step: int = 0,
    ) -> None:
        """Goes to the state of a checkpoint, which is after a step, or of the beginning. Sums go by a group, if any."""
        job = self.job
        self.mail = Mail(rank, peers)
        self.tables = Tables(job, len(peers))
        found = None if checkpoint is None else read_checkpoint(Path(checkpoint))
        self.shards = Shards(job, self.tables, self.mail, found) if job.tables else None
        if len(peers) > 1:
            self.allreduce = by_objects(self.mail) if group is None else by_collective(rank, len(peers), group)
        self.state = first_state(job) if found is None else filled(job, found.flats())
        if found is not None:
            self.weighting.begin(found.facts.get("weighting"))
        self.step = step
        self.coming = None

    @ray.method(concurrency_group="mail")  # type: ignore[untyped-decorator]
    def put(self, sender: int, name: str, turn: int, *pieces: Any) -> None:
        """Keeps what another worker has sent, while this one takes a step."""
        self.mail.put(sender, name, turn, *pieces)

    @ray.method(concurrency_group="mail")  # type: ignore[untyped-decorator]
    def held(self, places: Sequence[Places]) -> list[Floats]:
        """The vectors at places of this worker, by pool."""
        return self.shards.held(places) if self.shards else []

    def run(self, count: int) -> dict[str, Any]:
        """Takes steps; returns their records, and the peak of this process's memory in bytes."""
        try:
            if self.coming is None:
                self._first()
            records = [self._step() for _ in range(count)]
        except (ray.exceptions.RayError, MemoryError) as error:
            raise _raised(error, self.step + 1) from error
        return {"records": records if self.mail.rank == 0 else [], "peak": _peak()}

    def _lanes(self, rank: int, workers: int) -> list[int]:
        return list(range(rank, len(self.job.lanes), workers))

    def _first(self) -> None:
        """Prepares the first step, for which nothing was sent yet."""
        self.coming = ahead(self._coming)
        self.now = next(self.coming)
        sums = self.layout.zeros()  # the weights at their place among these, so that bits are the same
        self.layout.put_weights(sums, self.now.weights.sum(axis=0, dtype=np.float32))
        self.totals = self.layout.weights(self.allreduce(sums))
        if self.shards is not None:
            self.shards.answer(self.now.step)

    def _coming(self) -> Iterator[Prepared]:
        """The rows of all steps from the next one on."""
        lanes = self._lanes(self.mail.rank, self.mail.workers)
        batches = [lane_batches(self.job, self.data, lane, self.step + 1) for lane in lanes]
        for step, *found in zip(range(self.step + 1, self.job.steps + 1), *batches, strict=True):
            given = [(lane, rows) for lane, rows in zip(lanes, found, strict=True) if rows is not None]
            prepared = self._prepared(step, given)
            if self.shards is not None:
                self.shards.ask(step, prepared.wanted)
            yield prepared

    def _prepared(self, step: int, given: list[tuple[int, Rows]]) -> Prepared:
        job = self.job
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
        return Prepared(step, runs, counts, weights, self.tables.wanted(runs))

    def _noise(self, step: int, lanes: list[int], starts: Places) -> Rows:
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
        job, layout, now, shards = self.job, self.layout, self.now, self.shards
        assert now is not None and self.coming is not None
        step = now.step
        epoch = job.epoch_of(step)
        factors = self.weighting.factors(epoch)
        rows_in_all = job.batch_at(step)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(self.totals > 0, now.weights / self.totals, 0)  # [runs, tasks]
        sums = layout.zeros()
        vectors = shards.read(step) if shards is not None else []
        gradients = [np.zeros_like(of) for of in vectors]
        for run, count, share, places in zip(now.runs, now.counts, shares, now.wanted.places, strict=True):
            given: dict[str, Array] = {**run, "parameters": self.state["parameters"]}
            given |= self.tables.inputs(vectors, places, run)
            given |= {f"factor/{task.name}": number(factors[at] * share[at]) for at, task in enumerate(job.tasks)}
            given |= {"share": number(count / rows_in_all), "carry": number(0), **layout.kept_zeros()}
            found = self.run_of["gradients"](self._named("gradients", given))
            layout.add(sums, found, share, count / rows_in_all)
            self.tables.add(gradients, places, run, found)
        then = next(self.coming, None)
        if then is not None:
            layout.put_weights(sums, then.weights.sum(axis=0, dtype=np.float32))
        if shards is not None:
            layout.put_squares(sums, shards.add(step, now.wanted, gradients))
        sums = self.allreduce(sums)
        reported = layout.reported(sums)
        record: dict[str, Any] = {"epoch": epoch, "step": step, "steps": job.steps, **reported}
        record["weights"] = {task.name: task.weight * float(factors[at]) for at, task in enumerate(job.tasks)}
        wrong = _wrong(reported, self.job)
        if wrong is not None:
            raise self._refused(step, wrong)
        record["norm"] = self._update(step, layout.inputs(sums), float(np.sqrt(layout.squares(sums))))
        if shards is not None and then is not None:
            shards.answer(step + 1)
        labelled = np.array([self.totals[at] > 0 and task.weight > 0 for at, task in enumerate(job.tasks)])
        losses = np.array([reported["loss"][task.name] for task in job.tasks], np.float64)
        self.weighting.next(epoch, losses, labelled, self._scalars_at(step))
        self.step = step
        self.now, self.totals = then, layout.weights(sums)
        return {**record, "rows": job.rows_after(step)}

    def _update(self, step: int, summed: Arrays, vectors: float) -> float:
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
        limit = job.clip_norm
        if self.shards is not None:
            self.shards.change(limit / norm if limit is not None and norm > limit else 1.0, scalars)
        return norm

    def _named(self, graph: str, given: Arrays) -> dict[str, Array]:
        """The inputs of a graph by their names: those that come from one place have its name."""
        inputs = self.job.graphs[graph].inputs
        return {one.name: given[one.origin if one.origin in _ALONE else one.name] for one in inputs}

    def _scalars_at(self, step: int) -> dict[str, float]:
        return {
            name: float(value if isinstance(value, float) else value[step - 1]) for name, value in self.scalars.items()
        }

    def _refused(self, step: int, wrong: str) -> Refusal:
        parameters = parameters_of(self.job, self.state["parameters"]).items()
        sizes = [(np.nan_to_num(np.abs(one), nan=np.inf).max(initial=0), path) for path, one in parameters]
        size, path = max(sizes, default=(0.0, "none"))
        return Refusal(
            f"Cannot train: at step {step} {wrong}",
            f"the largest parameter is {path}, {size:.3g} in size",
            "the step was not taken: try a smaller learning rate, or clipNorm",
        )

    def write(self, folder: str) -> tuple[list[dict[str, Any]], Any, dict[str, Any]]:
        """Writes what this worker holds of the model and beside it; returns what a checkpoint says of it."""
        job, path = self.job, Path(folder)
        files = self.shards.write(path) if self.shards is not None else {}
        if self.mail.rank > 0:
            return [], None, files
        name = "params-00001-of-00001.safetensors" if job.tables else "params.safetensors"
        parameters = parameters_of(job, self.state["parameters"])
        files[name] = write_tensors(path / name, parameters, job.raw["model"]["metadata"])
        arrays, files[ARRAYS] = write_arrays(path / ARRAYS, cut(job, self.state))
        return arrays, self.weighting.saved(), files

    def evaluate(self, rank: int, workers: int) -> list[dict[str, Any]]:
        """Runs the graph of evaluation on this worker's row groups; returns what judges need, piece by piece."""
        try:
            groups = list(enumerate(self.job.validation))[rank::workers]

            def pieces() -> Iterator[tuple[int, Rows]]:
                return ((place, read_group(self.job, self.data, group)) for place, group in groups)

            return [evaluated(self.job, place, rows, self._judged) for place, rows in ahead(pieces)]
        except (ray.exceptions.RayError, MemoryError) as error:
            raise _raised(error, self.step + 1) from error

    def _judged(self, piece: Rows) -> dict[str, Array]:
        """The outputs of the graph of evaluation on some rows."""
        given: dict[str, Array] = {**piece, "parameters": self.state["parameters"]}
        given |= self.tables.inputs(*self._read(piece), piece)
        return self.run_of["evaluate"](self._named("evaluate", given))

    def _read(self, piece: Rows) -> tuple[list[Floats], list[Places]]:
        """The vectors that rows read, and the places of their codes among them."""
        wanted = self.tables.wanted([piece])
        places = [self.tables.places(wanted, worker) for worker in range(self.mail.workers)]
        asked = [peer and peer.held.remote(own) for peer, own in zip(self.mail.peers, places, strict=True)]
        found = [ray.get(one) if one else self.held(own) for one, own in zip(asked, places, strict=True)]
        return self.tables.whole(found), wanted.places[0]


_ALONE = ("parameters", "gradient", "vectors", "share", "carry")  # places from which one input comes


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


def _scalars(job: Job) -> dict[str, Any]:
    """The scalars of optimisers by name: a number, or one of each step."""
    arrays = job.arrays
    return {
        name: float(given["constant"]) if "constant" in given else np.array(arrays[given["array"]])
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
