/**
 * The Python program that a cluster runs: its files, by their paths in the package of a job. This file is written by
 * `deno run --allow-read --allow-write=lib/ray tools/ray_program.ts` from those that are tested.
 */
export const programFiles: Readonly<Record<string, string>> = {
  "gatehouse_job/__init__.py":
    `"""A training that a job folder describes, on Ray: graphs of ONNX, run by workers that sum their gradients."""
`,
  "gatehouse_job/checkpoints.py":
    `"""Checkpoints and the model at the end: folders that are written whole, then renamed."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray

from .errors import Refusal
from .job import Job
from .tensors import sha256_of

FORMAT = "gatehouse ray checkpoint 1"
FACTS = "checkpoint.json"
INDEX = "params.safetensors.index.json"
_LARGE = 2**26  # bytes: fewer are read sooner than a task begins

Files = dict[str, dict[str, Any]]


def write_checkpoint(job: Job, storage: Path, step: int, rows: int, write: Callable[[str], Files], keep: int) -> Path:
    """Writes the checkpoint of a step, whole, and removes the oldest ones that are too many."""
    folder = storage / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed while it wrote
    path, staged = folder / f"{step:09}", folder / f".{step:09}-{uuid.uuid4().hex}"
    staged.mkdir()
    try:
        files = write(str(staged))
        files |= _model_files(job, staged, files)
        facts = {"format": FORMAT, "job": job.digest, "step": step, "rows": rows, "files": files}
        text = json.dumps(facts, indent=2)
        digest = hashlib.sha256(text.encode()).hexdigest()
        _write_text(staged / FACTS, json.dumps({"sha256": digest, "checkpoint": text}))
        shutil.rmtree(path, ignore_errors=True)
        staged.rename(path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    for old in sorted(one for one in folder.iterdir() if one.name.isdigit())[: -max(keep, 1)]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def _model_files(job: Job, folder: Path, files: Files) -> Files:
    """Adds what makes a folder a model that can be loaded: its other files, and an index of shards."""
    found: Files = {}
    for name in job.raw["model"]["files"]:
        path = job.folder / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        found[name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    if job.tables:
        _write_text(folder / INDEX, json.dumps(_index(job, files), indent=2))
        found[INDEX] = {"sha256": sha256_of(folder / INDEX), "bytes": (folder / INDEX).stat().st_size}
    return found


def _index(job: Job, files: Files) -> dict[str, Any]:
    dense = next(name for name in files if name.startswith("params-"))
    rows = sorted(name for name in files if name.startswith("rows-"))
    return {
        "metadata": {
            "total_size": sum(files[name]["bytes"] for name in [dense, *rows]),
            "sha256": {name: files[name]["sha256"] for name in [dense, *rows]},
        },
        "weight_map": {one["name"]: dense for one in job.raw["parameters"]["extents"]},
        "row_map": {table.path: rows for table in job.tables},
    }


def _write_text(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def newest_checkpoint(job: Job, storage: Path, warn: Callable[[str], None]) -> tuple[Path, int] | None:
    """The newest checkpoint that is whole, and its step; none if there is none."""
    folder = storage / "checkpoints"
    if not folder.is_dir():
        return None
    for path in sorted((one for one in folder.iterdir() if one.name.isdigit()), reverse=True):
        facts, damage = _facts(path)
        if facts is not None and facts["job"] != job.digest:
            raise Refusal(
                "Cannot go on from the checkpoints in the storage: they are of another job",
                str(path),
                "give another storage, or --fresh to begin anew and write over them",
            )
        damage = damage or _damage_in(path, facts["files"] if facts else {})
        if damage is None and facts is not None:
            return path, int(facts["step"])
        warn(f"the checkpoint {path} was passed over: {damage}; the one before it is taken")
    return None


def _facts(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The facts of a checkpoint, or what is wrong with them, in words."""
    try:
        outer = json.loads((path / FACTS).read_text(encoding="utf-8"))
        text = outer["checkpoint"]
        if hashlib.sha256(text.encode()).hexdigest() != outer["sha256"]:
            return None, f"{FACTS} is damaged"
        facts = json.loads(text)
        return (facts, None) if facts["format"] == FORMAT else (None, f"{FACTS} has another format")
    except (OSError, ValueError, KeyError, TypeError):
        return None, f"{FACTS} is damaged or missing"


def _damage_in(path: Path, files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The first file that is missing or damaged, in words: large ones are read by tasks of their own."""
    check = ray.remote(num_cpus=0)(_whole)
    given = {name: (str(path / name), known["bytes"], known["sha256"]) for name, known in files.items()}
    pending = {name: check.remote(*facts) for name, facts in given.items() if facts[1] > _LARGE}
    wrong = [name for name in given if not (ray.get(pending[name]) if name in pending else _whole(*given[name]))]
    return f"{wrong[0]} is damaged or missing" if wrong else None


def _whole(path: str, size: int, digest: str) -> bool:
    """True if a file has a size and a SHA-256."""
    file = Path(path)
    return file.is_file() and file.stat().st_size == size and sha256_of(file) == digest


def write_model(checkpoint: Path, storage: Path) -> Path:
    """Makes the model of a checkpoint the one of the storage: whole at every moment but that of two renames."""
    staged, model = storage / f".model-{uuid.uuid4().hex}", storage / "model"
    before = storage / f".model-before-{uuid.uuid4().hex}"
    try:
        shutil.copytree(
            checkpoint, staged, ignore=lambda _, names: [n for n in names if n.startswith("training") or n == FACTS]
        )
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        first = error.args[0][0][2] if isinstance(error, shutil.Error) else str(error)  # it lists all files
        raise OSError(first) from error
    if model.exists():
        model.rename(before)
    staged.rename(model)
    for left in storage.glob(".model-*"):  # that before, and those of a run that was killed here
        shutil.rmtree(left, ignore_errors=True)
    return model
`,
  "gatehouse_job/cluster.py": `"""The cluster: what is checked before rows are read, each in words of what to do."""

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .errors import Refusal

OLDEST = (2, 52)
PACKAGES = ("numpy", "onnxruntime", "pyarrow")


def check_ray() -> None:
    """Makes sure that Ray is new enough."""
    found = tuple(int(part) for part in ray.__version__.split(".")[:2])
    if found < OLDEST:
        raise Refusal(
            f"Cannot run on Ray {ray.__version__}: wanted {OLDEST[0]}.{OLDEST[1]} or newer",
            "the cluster",
            "install a newer Ray on all nodes, pip install -U ray",
        )


def _look(storage: str, token: str, node: str) -> dict[str, Any]:
    """What a node has: packages, and whether it shares the storage. It writes a file there for the driver to see."""
    from importlib import import_module
    from importlib.metadata import version

    missing, versions = [], {}
    for package in (*PACKAGES, "torch"):
        try:
            import_module(package)
            versions[package] = version(package)
        except Exception:  # a package that is there may fail to load for any reason
            missing.append(package)
    read = wrote = False
    try:
        with open(f"{storage}/{token}", encoding="utf-8") as file:
            read = file.read() == token
        with open(f"{storage}/{token}.{node}", "x", encoding="utf-8") as file:
            file.write(node)
        wrote = True
    except OSError:
        pass
    return {"missing": missing, "versions": versions, "read": read, "wrote": wrote}


def check_nodes(storage: Path, patience: float) -> dict[str, Any]:
    """Makes sure that each node has the packages and shares the storage; returns what was found."""
    token = f".gatehouse-{uuid.uuid4().hex}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        (storage / token).write_text(token, encoding="utf-8")
    except OSError as error:
        raise Refusal(
            f"Cannot write to the storage: {error.strerror}", str(storage), "give a folder of all nodes"
        ) from error
    try:
        nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        look = ray.remote(num_cpus=0, max_retries=0)(_look)
        pending = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                str(storage), token, node
            ): node
            for node in nodes
        }
        done, late = ray.wait(list(pending), num_returns=len(pending), timeout=patience)
        if late:
            names = ", ".join(nodes[pending[one]] for one in late)
            raise Refusal(f"Cannot reach nodes of the cluster within {patience:g} s", names, "look at \`ray status\`")
        found = {}
        for one in done:
            try:
                found[pending[one]] = ray.get(one)
            except ray.exceptions.RayError as error:
                raise Refusal(
                    f"Cannot run on a node: {type(error).__name__}", nodes[pending[one]], "see \`ray logs\`"
                ) from error
        for node, facts in found.items():
            wrote = facts["wrote"] and (storage / f"{token}.{node}").is_file()
            _check_node(nodes[node], facts, wrote, storage)
        return {
            "ray": ray.__version__,
            "nodes": {nodes[node]: facts["versions"] for node, facts in found.items()},
            "torch": all("torch" not in facts["missing"] for facts in found.values()),
        }
    finally:
        for left in storage.glob(f"{token}*"):
            left.unlink(missing_ok=True)


def _check_node(name: str, facts: dict[str, Any], wrote: bool, storage: Path) -> None:
    missing = [package for package in facts["missing"] if package in PACKAGES]
    if missing:
        raise Refusal(
            f"Cannot run on node {name}: it lacks {', '.join(missing)}",
            name,
            f"pip install {' '.join(missing)} there, or name them in the job's runtime environment",
        )
    if not facts["read"] or not wrote:
        raise Refusal(
            f"Cannot share the storage {storage} with node {name}: what {'the driver' if not facts['read'] else 'it'} "
            f"writes is not seen by {'it' if not facts['read'] else 'the driver'}",
            name,
            "give a folder that is mounted on all nodes at one path",
        )


def check_cpus(workers: int, cpus: int, lanes: int | None) -> None:
    """Makes sure that there can be as many workers."""
    if workers < 1 or cpus < 1:
        raise Refusal(
            "Cannot run: workers and cpus must be at least 1", f"{workers} workers", "give --workers 1 or more"
        )
    if lanes is not None and workers > lanes:
        raise Refusal(
            f"Cannot run {workers} workers: the job has {lanes} lanes",
            f"{workers} workers",
            f"give at most {lanes} workers, or write the job with more lanes",
        )


def lacking(wanted: int, cpus: int, patience: float) -> Refusal:
    """The error of resources that the cluster does not have."""
    total, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
    return Refusal(
        f"Cannot start {wanted} workers of {cpus} CPUs each within {patience:g} s: the cluster has {total:g} CPUs, "
        f"{free:g} of them free",
        ", ".join(sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"])),
        "give fewer --workers or --cpus, add nodes, or wait longer with --patience",
    )


def shared_folder(folder: Path, storage: Path, digest: str) -> Path:
    """A copy of the job's folder in the storage, where all nodes read it."""
    if folder.resolve().is_relative_to(storage.resolve()):
        return folder.resolve()
    shared = storage / "jobs" / digest[:16]
    if not shared.is_dir():
        staged = storage / "jobs" / f".{uuid.uuid4().hex}"
        shutil.copytree(folder, staged, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        try:
            os.rename(staged, shared)
        except OSError:  # another driver was first
            shutil.rmtree(staged, ignore_errors=True)
    return shared
`,
  "gatehouse_job/driver.py":
    `"""The driver: starts shards and workers, asks for steps, and begins again from the last checkpoint when one is lost."""

import argparse
import json
import math
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from .checkpoints import Files, newest_checkpoint, write_checkpoint, write_model
from .cluster import check_cpus, check_nodes, check_ray, lacking, shared_folder
from .errors import Lost, Refusal
from .job import Job, read_job
from .judging import judge
from .shards import Shard
from .sums import Adder
from .worker import Place, Worker

SECONDS_OF_A_CALL = 0.5  # steps are asked for in calls of about this length
WORKERS_OF_AN_ADDER = 4  # of so many one adder adds all; of more, several add a slice each
MOST_LOSSES = 10  # without a new checkpoint between them
MOST_SHORT = 2  # the same, of processes that Ray ends for lack of memory


def say(record: dict[str, Any]) -> None:
    """Prints a record as one line of JSON, in which a number that is not finite is null."""
    print(json.dumps(_finite(record), ensure_ascii=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class Team:
    """The actors of a training."""

    workers: list[ActorHandle]
    shards: list[ActorHandle]
    adders: list[ActorHandle]

    def end(self) -> None:
        """Ends all of them."""
        for actor in [*self.workers, *self.shards, *self.adders]:
            ray.kill(actor)


@dataclass
class Run:
    """A training that goes on: what changes from step to step."""

    job: Job
    storage: Path
    options: argparse.Namespace
    transport: str
    step: int = 0
    workers: int = 0
    losses: int = 0  # since the last checkpoint, and those of them for lack of memory
    short: int = 0
    saved_at: float = field(default_factory=time.monotonic)
    said_at: float = 0.0
    began: float = field(default_factory=time.monotonic)
    rows_before: int = 0
    per_call: int = 1
    peak: int = 0


def train(options: argparse.Namespace) -> None:
    """Runs a job to its end."""
    check_ray()
    job = read_job(Path(options.job))
    check_cpus(options.workers, options.cpus, len(job.lanes))
    storage = Path(options.storage).resolve()
    found = check_nodes(storage, options.patience)
    if options.transport == "collective" and not found["torch"]:
        raise Refusal(
            "Cannot sum by collectives: a node lacks torch",
            "--transport collective",
            "pip install torch on all nodes, or give --transport objects",
        )
    collective = options.transport == "collective" or (options.transport == "auto" and found["torch"])
    job = read_job(shared_folder(job.folder, storage, job.digest))
    run = Run(job, storage, options, "collective" if collective else "objects", workers=options.workers)
    if options.fresh:
        shutil.rmtree(storage / "checkpoints", ignore_errors=True)
    while not _attempt(run):
        pass
    checkpoint = newest_checkpoint(job, storage, lambda text: say({"warning": text}))
    assert checkpoint is not None
    model = write_model(checkpoint[0], storage)
    say({"model": str(model), "steps": job.steps, "rows": job.rows_after(job.steps)})


def check(options: argparse.Namespace) -> None:
    """Checks the cluster without a job."""
    check_ray()
    check_cpus(options.workers, options.cpus, None)
    found = check_nodes(Path(options.storage).resolve(), options.patience)
    wanted, patience = options.workers * options.cpus, min(options.patience, 20)
    end = time.monotonic() + patience
    while ray.cluster_resources().get("CPU", 0) < wanted:
        if time.monotonic() > end:
            raise lacking(options.workers, options.cpus, patience)
        time.sleep(0.5)
    say({"checked": found})


def _attempt(run: Run) -> bool:
    """Goes on from the last checkpoint; True if the training is at its end, False if actors were lost on the way."""
    team = Team([], [], [])
    try:
        found = newest_checkpoint(run.job, run.storage, lambda text: say({"warning": text}))
        checkpoint, run.step = (None, 0) if found is None else (str(found[0]), found[1])
        if run.step >= run.job.steps:
            return True
        _gather(run, team)
        if run.step > 0 or run.losses > 0:
            say({"event": "resumed", "step": run.step, "workers": run.workers})
        _begin(run, team, checkpoint)
        run.began, run.rows_before = time.monotonic(), run.job.rows_after(run.step)
        while run.step < run.job.steps:
            _advance(run, team)
        return True
    except (Lost, RayError) as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        if isinstance(cause, Refusal):
            raise cause from error
        if not isinstance(cause, (Lost, RayError)):
            raise
        _lost(run, cause)
        return False
    finally:
        team.end()


def _lost(run: Run, cause: Exception) -> None:
    """Says that an actor was lost; refuses to go on if that happens again and again without a new checkpoint."""
    run.losses += 1
    run.short += isinstance(cause, OutOfMemoryError)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = f"{type(cause).__name__}: {lines[0] if lines else ''}"
    say({"event": "worker lost", "step": run.step, "losses": run.losses, "peak": run.peak, "cause": text})
    if run.losses <= MOST_LOSSES and run.short <= MOST_SHORT:
        return
    what = "a node ran out of memory" if run.short > MOST_SHORT else "workers were lost"
    times = run.short if run.short > MOST_SHORT else run.losses
    raise Refusal(
        f"Cannot train: {what} {times} times without a new checkpoint between them",
        f"after step {run.step}, {text}; a worker took at most {run.peak / 2**20:.0f} MiB of memory",
        "if nodes are out of memory: give a smaller window or batch, more shards, or fewer workers on a node; "
        "else write checkpoints more often",
    ) from cause


def _gather(run: Run, team: Team) -> None:
    """Starts the actors. After a loss as many workers as there is room for will do, once it was waited for more."""
    job, options = run.job, run.options
    wanted, patience = options.workers, options.patience
    folder = str(job.folder)
    place = {"scheduling_strategy": "SPREAD", "max_restarts": 0, "max_task_retries": 0}
    worker = ray.remote(num_cpus=options.cpus, **place)(Worker)
    team.workers.extend(worker.remote(folder, str(run.storage), options.cpus) for _ in range(wanted))
    ready = {actor.ready.remote(): actor for actor in team.workers}
    done, late = ray.wait(list(ready), num_returns=wanted, timeout=patience)
    ray.get(done)
    if late and (run.losses == 0 or not done):
        raise lacking(wanted, options.cpus, patience)
    for one in late:
        ray.kill(ready[one])
        team.workers.remove(ready[one])
    run.workers = len(team.workers)
    if late:
        say({"warning": f"there is room for {run.workers} of {wanted} workers: the training goes on with these"})
    if job.tables:
        shard = ray.remote(num_cpus=0, **place)(Shard)
        team.shards.extend(shard.remote(folder, one, run.workers) for one in range(job.shards))
    if run.workers > 1 and run.transport == "objects":
        adder = ray.remote(num_cpus=0, **place)(Adder)
        team.adders.extend(adder.remote(run.workers) for _ in range(-(-run.workers // WORKERS_OF_AN_ADDER)))


def _begin(run: Run, team: Team, checkpoint: str | None) -> None:
    """Brings all actors to the state after a step, once the rows that they will read were found to be there."""
    _all([actor.check.remote(rank, run.workers) for rank, actor in enumerate(team.workers)])
    group = f"gatehouse-{uuid.uuid4().hex}"
    begun = [actor.begin.remote(checkpoint, run.step) for actor in team.shards]
    for rank, actor in enumerate(team.workers):
        place = Place(rank, run.workers, run.transport, group, team.adders, team.shards)
        begun.append(actor.begin.remote(place, checkpoint, run.step))
    _all(begun)


def _all(pending: Sequence[Any]) -> list[Any]:
    """The results of calls; the error of the first that fails, though others never end."""
    left = list(pending)
    while left:
        done, left = ray.wait(left, num_returns=1)
        ray.get(done)
    found: list[Any] = ray.get(list(pending))
    return found


def _advance(run: Run, team: Team) -> None:
    """Takes some steps, up to the next evaluation or checkpoint, and says what they report."""
    job, start = run.job, time.monotonic()
    every = job.raw["checkpoint"]["every"] if job.raw.get("checkpoint") else {}
    stops = [job.steps, _next(run.step, job.steps_per_epoch)]
    stops += [_next(run.step, int(each)) for each in (every.get("steps"), job.raw["evaluate"].get("every")) if each]
    count = min(min(stops) - run.step, run.per_call)
    found = _all([actor.run.remote(count) for actor in team.workers])
    run.step += count
    run.peak = max(run.peak, *(one["peak"] for one in found))
    seconds = time.monotonic() - start
    run.per_call = max(1, min(2 * run.per_call, round(count * SECONDS_OF_A_CALL / max(seconds, 1e-6))))
    records: list[dict[str, Any]] = found[0]["records"]
    last = records[-1]
    ends_epoch = run.step % job.steps_per_epoch == 0 or run.step == job.steps
    between = job.raw["evaluate"].get("every")
    if job.validation and (ends_epoch or (between and run.step % between == 0)):
        held = time.monotonic()
        last["validation"] = _evaluated(run, team)
        run.began += time.monotonic() - held
    due = "seconds" in every and time.monotonic() - run.saved_at >= every["seconds"]
    if ends_epoch or due or ("steps" in every and run.step % every["steps"] == 0):
        _save(run, team)
    for record in records:
        _report(run, record, ends_epoch and record is last)


def _next(step: int, every: int) -> int:
    return (step // every + 1) * every


def _report(run: Run, record: dict[str, Any], always: bool) -> None:
    now = time.monotonic()
    if not always and "validation" not in record and now - run.said_at < run.options.records:
        return
    run.said_at = now
    say({**record, "rate": (record["rows"] - run.rows_before) / max(now - run.began, 1e-9)})


def _evaluated(run: Run, team: Team) -> dict[str, Any]:
    found = _all([actor.evaluate.remote(rank, run.workers) for rank, actor in enumerate(team.workers)])
    return judge(run.job, [piece for pieces in found for piece in pieces])


def _save(run: Run, team: Team) -> None:
    job = run.job

    def write(folder: str) -> Files:
        calls = [team.workers[0].write.remote(folder), *(shard.write.remote(folder, run.step) for shard in team.shards)]
        return {name: facts for files in _all(calls) for name, facts in files.items()}

    keep = int((job.raw.get("checkpoint") or {}).get("keep", 2))
    write_checkpoint(job, run.storage, run.step, job.rows_after(run.step), write, keep)
    run.losses, run.short, run.saved_at = 0, 0, time.monotonic()
`,
  "gatehouse_job/errors.py":
    `"""What can go wrong: what the user is to change, and what a new start from the last checkpoint heals."""


class Refusal(Exception):
    """A mistake in the job, its data or the cluster: starting again would not help."""

    def __init__(self, message: str, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where, remedy)
        self.message = message
        self.where = where
        self.remedy = remedy

    def record(self) -> dict[str, object]:
        """The error as the last line of the output has it."""
        return {"error": {"message": self.message, "where": self.where, "remedy": self.remedy}}


class Lost(Exception):
    """Another process of the training is gone: all begin again from the last checkpoint."""
`,
  "gatehouse_job/graphs.py": `"""Graphs of ONNX as functions of arrays by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from .errors import Refusal
from .job import GraphFile

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Run = Callable[[Arrays], dict[str, Array]]


def load_graph(folder: Path, graph: GraphFile, threads: int) -> Run:
    """The run of a graph: from what its inputs are named in the job to what its outputs are. Others are ignored."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = folder / graph.path
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for each of its codes
        raise Refusal(
            f"Cannot load the graph {graph.path}: {error}", str(path), "install a newer onnxruntime"
        ) from error
    names = [output.onnx for output in graph.outputs]
    inputs = [(one.name, one.onnx) for one in graph.inputs]
    known = {one.name for one in [*session.get_inputs(), *session.get_outputs()]}
    lacking = next((name for name in [*names, *(onnx for _, onnx in inputs)] if name not in known), None)
    if lacking is not None:
        raise Refusal(f"Cannot load the graph {graph.path}: it has no {lacking!r}", str(path), "write the job anew")

    def run(given: Arrays) -> dict[str, Array]:
        found = session.run(names, {onnx: given[name] for name, onnx in inputs})
        return {output.name: array for output, array in zip(graph.outputs, found, strict=True)}

    return run


def number(value: float) -> Array:
    """A number as an input."""
    return np.array(value, np.float32)
`,
  "gatehouse_job/job.py": `"""The job: what is to be run, as job.json in its folder says."""

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
`,
  "gatehouse_job/judging.py": `"""Losses and metrics of an evaluation, exact, over all rows of all workers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .job import Job, Task

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


def judge(job: Job, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The evaluation of pieces, which may come in any order."""
    ordered = sorted(pieces, key=lambda piece: int(piece["place"]))
    rows = sum(piece["rows"] for piece in ordered)
    sums: dict[str, float] = {}
    for piece in ordered:
        for name, value in piece["sums"].items():
            sums[name] = sums.get(name, 0.0) + value
    loss: dict[str, float] = {}
    metrics: dict[str, dict[str, float]] = {}
    for task in job.tasks:
        weight = sums[f"weight/{task.name}"]
        loss[task.name] = sums[f"loss/{task.name}"] / weight if weight > 0 else float("nan")
        held = {
            name: np.concatenate([piece["tasks"][task.name][name] for piece in ordered])
            for name in ("prediction", "logits", "label", "weight")
        }
        metrics[task.name] = _metrics(task, loss[task.name], held)
    auxiliary = {name.removeprefix("auxiliary/"): sums[name] / rows for name in sums if name.startswith("auxiliary/")}
    return {"loss": loss, "auxiliary": auxiliary, "metrics": metrics}


def _metrics(task: Task, loss: float, held: Mapping[str, Array]) -> dict[str, float]:
    counts = held["weight"] > 0
    weights = held["weight"][counts].astype(np.float64)
    labels = held["label"][counts].astype(np.float64) * task.scale + task.mean
    predictions = held["prediction"][counts].astype(np.float64)
    logits = held["logits"][counts].astype(np.float64)
    found: dict[str, float] = {}
    for name, metric in task.metrics.items():
        match metric["kind"]:
            case "loss":
                found[name] = loss
            case "auc":
                found[name] = auc(logits.reshape(-1) if metric.get("of") == "logits" else predictions, labels, weights)
            case "accuracy":
                found[name] = _mean(_right(predictions, labels), weights)
            case "mse":
                found[name] = _mean((predictions - labels) ** 2, weights)
            case "mae":
                found[name] = _mean(np.abs(predictions - labels), weights)
            case "r2":
                found[name] = _determination(predictions, labels, weights)
            case "deviance":
                found[name] = _mean(_deviances(predictions, labels), weights)
    return found


def auc(scores: Doubles, labels: Doubles, weights: Doubles) -> float:
    """The share of pairs of a positive and a negative row in the right order, ties counting half, by one sort."""
    if np.isnan(scores).any():
        return float("nan")
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order], labels[order] > 0.5
    weights = weights[order]
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]])) if len(scores) else np.zeros(0, int)
    ups = np.add.reduceat(np.where(positive, weights, 0), starts) if len(starts) else np.zeros(0)
    downs = np.add.reduceat(np.where(positive, 0, weights), starts) if len(starts) else np.zeros(0)
    below = np.cumsum(downs) - downs
    pairs = ups.sum() * downs.sum()
    return float((ups * (below + downs / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _right(predictions: Doubles, labels: Doubles) -> Doubles:
    """1 for each row that is right, NaN where its predictions are."""
    if predictions.ndim == 1:
        right = (predictions > 0.5) == (labels > 0.5)
        return np.where(np.isnan(predictions), np.nan, right)
    right = np.argmax(predictions, axis=1) == labels
    return np.where(np.isnan(predictions).any(axis=1), np.nan, right)


def _deviances(predictions: Doubles, labels: Doubles) -> Doubles:
    """The Poisson deviance of each row, 2 (y log(y / p) - y + p)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(labels > 0, labels * np.log(labels / predictions), 0)
    found: Doubles = 2 * (logs - labels + predictions)
    return found


def _determination(predictions: Doubles, labels: Doubles, weights: Doubles) -> float:
    """1 - squared errors / squared distances from the mean label; NaN if all labels are equal."""
    if len(labels) == 0 or (labels == labels[0]).all():
        return float("nan")
    spread = (weights * (labels - np.average(labels, weights=weights)) ** 2).sum()
    return float(1 - (weights * (predictions - labels) ** 2).sum() / spread)


def _mean(values: Doubles, weights: Doubles) -> float:
    return float((values * weights).sum() / weights.sum()) if len(values) else float("nan")
`,
  "gatehouse_job/layout.py": `"""What is summed over workers, as one array."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .job import Job

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

_ROLES = ("gradient", "kept", "total", "loss", "auxiliary", "dropped")
_SHARED = ("auxiliary", "dropped")


class Layout:
    """The places of what is summed over workers in one array: gradients, reports, and the weights of the next step."""

    def __init__(self, job: Job) -> None:
        self.job = job
        graph = job.graphs["gradients"]
        self.outputs = [one for role in _ROLES for one in graph.named(role)]
        self.places: dict[str, tuple[int, int]] = {}
        end = 0
        for output in self.outputs:
            size = int(np.prod([int(length) for length in output.shape]))
            self.places[output.name], end = (end, end + size), end + size
        self.last = end
        self.size = end + len(job.tasks)

    def zeros(self) -> Floats:
        """The sums of no run."""
        return np.zeros(self.size, np.float32)

    def add(self, sums: Floats, found: Mapping[str, Array], share: Floats, of_rows: float) -> None:
        """Adds the outputs of a run, by its share in the weights of each task and in the rows."""
        tasks = {f"loss/{task.name}": share[at] for at, task in enumerate(self.job.tasks)}
        for output in self.outputs:
            begin, end = self.places[output.name]
            factor = tasks[output.name] if output.role == "loss" else of_rows if output.role in _SHARED else 1
            value = found[output.name].reshape(-1)
            sums[begin:end] += value if factor == 1 else value * np.float32(factor)

    def put_weights(self, sums: Floats, weights: Floats) -> None:
        """Puts this worker's weights of tasks in the next step."""
        sums[self.last :] = weights

    def weights(self, sums: Floats) -> Floats:
        """The weights of tasks in the next step over all workers, [tasks]."""
        return sums[self.last :].copy()

    def _of(self, sums: Floats, role: str) -> dict[str, Floats]:
        found = {}
        for output in self.outputs:
            if output.role == role:
                begin, end = self.places[output.name]
                found[output.name] = sums[begin:end].reshape([int(length) for length in output.shape])
        return found

    def inputs(self, sums: Floats) -> dict[str, Floats]:
        """The inputs of the update: the gradient and the kept arrays over all workers."""
        return {"gradient": next(iter(self._of(sums, "gradient").values())), **self._of(sums, "kept")}

    def kept_zeros(self) -> dict[str, Floats]:
        """The kept arrays as the gradients read them: of no batch before."""
        return self._of(self.zeros(), "kept")

    def reported(self, sums: Floats) -> dict[str, Any]:
        """The numbers that a record reports."""

        def numbers(role: str) -> dict[str, float]:
            start = "" if role == "total" else f"{role}/"
            return {name.removeprefix(start): float(value) for name, value in self._of(sums, role).items()}

        total = next(iter(numbers("total").values()), 0.0)
        return {role: numbers(role) for role in ("loss", "auxiliary", "dropped")} | {"total": total}
`,
  "gatehouse_job/main.py":
    `"""The command line of the program: its last line of output is the model, or an error with what to do."""

import argparse
import signal
import socket
import sys
import traceback
from typing import NoReturn

import ray

from . import errors
from .driver import check, say, train
from .errors import Refusal


def main(arguments: list[str]) -> int:
    """Runs a job, or the checks alone; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stopped)
    _pickle_by_value()
    try:
        try:
            _reach(options.address)
            ray.init(address=options.address, log_to_driver=options.debug, ignore_reinit_error=True)
        except (OSError, RuntimeError) as error:
            raise Refusal(
                f"Cannot reach Ray: {error}", options.address, "start a head by \`ray start --head\`"
            ) from error
        (check if options.check else train)(options)
        return 0
    except Refusal as refusal:
        if options.debug:
            traceback.print_exc()
        say(refusal.record())
    except Exception as error:  # the last line of the output says what went wrong, whatever it was
        if options.debug:
            traceback.print_exc()
        cause = getattr(error, "cause", None) or error
        text = str(cause).strip().splitlines() or [""]
        full = "No space left on device" in text[-1] or "Disk quota exceeded" in text[-1]
        where = options.storage if full else "the program"
        remedy = "make room: the same job then goes on from its last checkpoint" if full else "see more by --debug"
        say(Refusal(f"Cannot go on: {type(cause).__name__}: {text[-1]}", where, remedy).record())
    finally:
        ray.shutdown()
    return 1


def _reach(address: str) -> None:
    """Makes sure that something listens at HOST:PORT: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "//" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _pickle_by_value() -> None:
    """Sends this package to the workers with what it is that they run: they need not have it."""
    package = sys.modules[errors.__name__.rpartition(".")[0]]
    ray.cloudpickle.register_pickle_by_value(package)


def _stopped(*_: object) -> NoReturn:
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="program.py", description="Trains the model of a job folder on Ray.")
    parser.add_argument("--job", default=".", help="the job's folder")
    parser.add_argument("--storage", required=True, help="a folder that all nodes share: data, checkpoints, model")
    parser.add_argument("--workers", type=int, default=1, help="at most the lanes of the job")
    parser.add_argument("--cpus", type=int, default=1, help="the CPUs, and threads, of a worker")
    parser.add_argument("--transport", choices=["auto", "collective", "objects"], default="auto")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for nodes and room")
    parser.add_argument("--records", type=float, default=0, help="seconds between records of steps")
    parser.add_argument("--address", default="auto", help="the cluster: auto, local, or HOST:PORT")
    parser.add_argument("--resume", action="store_true", help="goes on from the last checkpoint, which is the default")
    parser.add_argument("--fresh", action="store_true", help="begins anew, and removes the checkpoints of the storage")
    parser.add_argument("--check", action="store_true", help="checks the cluster alone")
    parser.add_argument("--debug", action="store_true", help="prints tracebacks, and what workers print, on stderr")
    return parser
`,
  "gatehouse_job/rows.py":
    `"""Rows of Parquet row groups: checked, read a window ahead, and put in the order that seeds determine."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import Refusal
from .job import Column, Group, Job
from .threefry import permutation

Array = npt.NDArray[Any]
Rows = dict[str, Array]
T = TypeVar("T")


def check_groups(job: Job, folder: Path, groups: list[Group]) -> None:
    """Makes sure that row groups are there, of as many rows and of the columns that the job says."""
    wanted = {name: job.columns[name] for name in job.columns_read()}
    for file in dict.fromkeys(group.file for group in groups):
        path = folder / file
        try:
            parquet = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
        with parquet:
            schema = parquet.schema_arrow
            for column in wanted.values():
                _check_column(path, schema, column)
            for group in (one for one in groups if one.file == file):
                count = parquet.metadata.num_row_groups
                found = parquet.metadata.row_group(group.place).num_rows if group.place < count else 0
                if found != group.rows:
                    raise Refusal(
                        f"Cannot read row group {group.place} of {file}: found {found} rows, wanted {group.rows}",
                        str(path),
                        "encode the data anew: it is not what the job was written for",
                    )


def _check_column(path: Path, schema: pa.Schema, column: Column) -> None:
    place = schema.get_field_index(column.column)
    found = "no such column" if place < 0 else str(schema.field(place).type)
    plain = {"float32": "float", "int32": "int32"}[column.dtype]
    wanted = plain if column.stored == "plain" else f"fixed_size_binary[{4 * (column.width or 1)}]"
    if found != wanted:
        raise Refusal(
            f"Cannot read column {column.column!r} of {path.name}: found {found}, wanted {wanted}",
            str(path),
            "encode the data anew: it is not what the job was written for",
        )


def _unreadable(path: Path, error: Exception) -> Refusal:
    return Refusal(f"Cannot read {path.name}: {error}", str(path), "give every node the storage, or encode anew")


def read_group(job: Job, folder: Path, group: Group) -> Rows:
    """The rows of a row group, by the inputs that read them."""
    path = folder / group.file
    inputs = {name: job.columns[name] for name in job.columns_read()}
    try:
        with pq.ParquetFile(path) as parquet:
            names = list(dict.fromkeys(column.column for column in inputs.values()))
            table = parquet.read_row_group(group.place, columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise Refusal(
            f"Cannot read row group {group.place} of {group.file}: {error}", str(path), "encode the data anew"
        ) from error
    return {name: _numbers(table.column(column.column), column) for name, column in inputs.items()}


def _numbers(found: pa.ChunkedArray, column: Column) -> Array:
    """The numbers of a column, [rows] or [rows, width]."""
    dtype = np.dtype(column.dtype)
    if column.stored == "plain":
        numbers: Array = found.to_numpy().astype(dtype, copy=False)
        return numbers if column.width is None else numbers.reshape(-1, column.width)
    width = column.width or 1
    pieces = [np.zeros(0, dtype)]
    for chunk in found.chunks:
        numbers = np.frombuffer(chunk.buffers()[1], dtype.newbyteorder("<"))
        pieces.append(numbers[chunk.offset * width : (chunk.offset + len(chunk)) * width])
    whole: Array = np.concatenate(pieces).astype(dtype, copy=False)
    return whole if column.width is None else whole.reshape(-1, width)


def lane_batches(job: Job, folder: Path, lane: int, step: int) -> Iterator[Rows | None]:
    """The rows that a lane gives to each step from one on (counted from 1), None where it gives none; endless."""
    size = job.window
    windows: Iterator[tuple[npt.NDArray[np.int64], Rows]] | None = None
    at = -1  # the window that is held
    order: npt.NDArray[np.int64] = np.zeros(0, np.int64)
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


def _windows(job: Job, folder: Path, lane: int, epoch: int, first: int) -> Iterator[tuple[npt.NDArray[np.int64], Rows]]:
    """The windows of a lane and the order of their rows, from one window of an epoch on, over all epochs."""
    groups, seed = job.lane_groups(lane), job.seeds[lane]
    for now in range(epoch, job.epoch_of(job.steps) + 1):
        parts = permutation(len(groups), f"{seed}:parts:{now}") if job.shuffle else np.arange(len(groups))
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
`,
  "gatehouse_job/shards.py":
    `"""Shards of the tables of vectors: each row lies on one of them, with the state of its optimiser."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .graphs import Run, load_graph, number
from .job import VectorTable, read_job
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
                self.updates[table.path] = load_graph(self.job.folder, table.update, 1)
            rows = table.rows_on(self.number, self.count)
            if checkpoint is None:
                self.vectors[table.path] = _first(self.job.folder, table, self.number, self.count)
                self.state[table.path] = np.full((rows, table.state), table.initial, np.float32)
                continue
            kept = read_tensors(Path(checkpoint) / rows_file(self.number, self.count))
            states = read_tensors(Path(checkpoint) / state_file(self.number, self.count))
            self.vectors[table.path] = np.array(kept[table.path])
            self.state[table.path] = np.array(states[table.path])
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
        metadata = self.job.raw["model"].get("metadata", {})
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


def _first(folder: Path, table: VectorTable, shard: int, shards: int) -> Floats:
    """The vectors of a shard's rows before the first step."""
    rows, units, first = table.rows_on(shard, shards), table.units, table.first
    if "constant" in first:
        return np.full((rows, units), first["constant"], np.float32)
    if "file" in first:
        whole = read_tensors(folder / first["file"])[first["tensor"]]
        return np.array(whole[shard::shards], np.float32)
    vectors = _drawn(folder, table, shard, shards, first["drawn"])
    for row in first.get("zeros", []):
        if row % shards == shard:
            vectors[row // shards] = 0
    return vectors


def _drawn(folder: Path, table: VectorTable, shard: int, shards: int, given: Mapping[str, Any]) -> Floats:
    """Vectors that are drawn, some rows at a time: by the key of each row, or by one key of the whole table."""
    rows, units = table.rows_on(shard, shards), table.units
    vectors = np.zeros((rows, units), np.float32)
    keys = (
        read_tensors(folder / given["keys"]["file"])[given["keys"]["tensor"]][shard::shards]
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
`,
  "gatehouse_job/sums.py":
    `"""Sums over workers: of one, by the collectives of Ray (gloo), or by actors through the object store."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.actor import ActorHandle

from .errors import Lost

Floats = npt.NDArray[np.float32]
AllReduce = Callable[[Floats], Floats]


_PATIENCE = 600_000  # milliseconds for which a sum waits for a slow worker; one that is gone ends it at once


def alone(array: Floats) -> Floats:
    """The sum over one worker."""
    return array


def by_collective(rank: int, workers: int, group: str) -> AllReduce:
    """The sum by gloo: the same bytes for all workers."""
    from ray.util import collective

    try:
        collective.init_collective_group(workers, rank, backend="gloo", group_name=group, gloo_timeout=_PATIENCE)
    except RuntimeError as error:
        raise Lost(f"the collective group was not formed: {error}") from error

    def allreduce(array: Floats) -> Floats:
        try:
            collective.allreduce(array, group_name=group)
        except RuntimeError as error:  # a peer is gone
            raise Lost(f"a sum over workers failed: {error}") from error
        return array

    return allreduce


def by_objects(rank: int, adders: list[ActorHandle]) -> AllReduce:
    """The sum by actors, each of which adds a slice: the same bytes for all workers."""
    turn = 0

    def allreduce(array: Floats) -> Floats:
        nonlocal turn
        turn += 1
        slices = np.array_split(array, len(adders))
        sent = [adder.add.remote(turn, rank, one) for adder, one in zip(adders, slices, strict=True)]
        held: list[list[ray.ObjectRef[Any]]] = ray.get(sent)
        found: list[Floats] = ray.get([one for [one] in held])
        return np.concatenate(found)

    return allreduce


class Adder:
    """An actor that adds what workers send, in the order of their ranks."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.sent: dict[int, dict[int, Floats]] = {}
        self.sums: dict[int, asyncio.Future[Any]] = {}

    async def add(self, turn: int, rank: int, array: Floats) -> list[Any]:
        """The sum of a turn, as a reference to it, once all workers have sent their part."""
        if turn not in self.sums:
            self.sums[turn] = asyncio.get_running_loop().create_future()
            self.sums.pop(turn - 2, None)
        own = self.sent.setdefault(turn, {})
        own[rank] = array
        if len(own) == self.workers:
            total = np.array(own[0])
            for other in range(1, self.workers):
                total += own[other]
            del self.sent[turn]
            self.sums[turn].set_result(ray.put(total))
        return [await self.sums[turn]]
`,
  "gatehouse_job/tensors.py":
    `"""Files of tensors in the format of safetensors, written whole and with their SHA-256."""

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
`,
  "gatehouse_job/threefry.py":
    `"""Random numbers by the written rule of Gatehouse (README of lib/data): the same bits as in TypeScript."""

import math

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Key = tuple[int, int]

_MASK = 2**32 - 1
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)


def _mixed(word: int) -> int:
    word = (word + 0x6D2B79F5) & _MASK
    word = ((word ^ word >> 16) * 0x85EBCA6B) & _MASK
    word = ((word ^ word >> 13) * 0xC2B2AE35) & _MASK
    return word ^ word >> 16


def key_of(text: str, begun: Key = (0x9E3779B9, 0x243F6A88)) -> Key:
    """The key of a text, or of one that comes after another."""
    first, second = begun
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
    for unit in units.tolist():
        first = _mixed(first ^ unit)
        second = _mixed(((second + unit) & _MASK) ^ first)
    return first, second


def _threefry(key: tuple[Words, Words], blocks: npt.NDArray[np.uint64]) -> tuple[Words, Words]:
    """The two words of each block: Threefry-2x32 of 20 rounds."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x = (blocks & np.uint64(_MASK)).astype(np.uint32) + keys[0]
    y = (blocks >> np.uint64(32)).astype(np.uint32) + keys[1]
    for turn in range(20):
        bits = np.uint32(_ROTATIONS[turn % 8])
        x = x + y
        y = (y << bits | y >> (np.uint32(32) - bits)) ^ x
        if turn % 4 == 3:
            place = turn // 4 + 1
            x = x + keys[place % 3]
            y = y + keys[(place + 1) % 3] + np.uint32(place)
    return x, y


def words_of(key: Key, at: int, count: int) -> Words:
    """The words of a key from one on, [count]."""
    first, last = at // 2, (at + count + 1) // 2
    one, other = (np.array([word], np.uint32) for word in key)
    words = np.stack(_threefry((one, other), np.arange(first, last, dtype=np.uint64)), axis=1).reshape(-1)
    return words[at - 2 * first :][:count]


def permutation(count: int, text: str) -> npt.NDArray[np.int64]:
    """The integers below a count in the order that a seed determines, [count]."""
    words = words_of(key_of(text), 0, 2 * count).reshape(-1, 2)
    high, low = (words[:, 0] >> np.uint32(5)), (words[:, 1] >> np.uint32(6))
    uniforms = (high.astype(np.float64) * 2.0**26 + low) * 2.0**-53
    places = np.floor(uniforms * np.arange(1, count + 1)).astype(np.int64)
    order = [0] * count
    for i, j in enumerate(places.tolist()):
        order[i] = order[j]
        order[j] = i
    return np.array(order, np.int64)


def drawn(key: Key, at: int, count: int, spread: str, size: float) -> Floats:
    """Numbers of a distribution from the element \`at\` on, [count]: each of its word, normal ones of their pair."""
    first = at - at % 2
    words = words_of(key, first, count + at % 2 + (count + at) % 2).reshape(-1, 2)
    return _spread(words[:, 0], words[:, 1], spread, size).reshape(-1)[at - first :][:count]


def drawn_at(keys: npt.NDArray[np.uint32], elements: npt.NDArray[np.int64], spread: str, size: float) -> Floats:
    """Some elements of what keys make, [rows, count] of keys [rows or 1, 2] and elements [rows or 1, count]."""
    blocks = (elements // 2).astype(np.uint64)
    pairs = _spread(*_threefry((keys[:, :1], keys[:, 1:]), blocks), spread, size)
    found: Floats = np.where(elements % 2 == 0, pairs[..., 0], pairs[..., 1])
    return found


def _spread(first: Words, second: Words, spread: str, size: float) -> Floats:
    """The numbers of a distribution that pairs of words make, [..., 2]."""
    if spread == "normal":
        return (_normals(first, second) * size).astype(np.float32)
    words = np.stack([first, second], axis=-1)
    if spread == "uniform":
        return ((words >> np.uint32(8)).astype(np.float64) * 2.0**-24 * size).astype(np.float32)
    return ((words.astype(np.int32).astype(np.float64) + 0.5) * 2.0**-31 * size).astype(np.float32)


def _normals(first: Words, second: Words) -> Doubles:
    """The two normal numbers of each pair of words, [..., 2], by the series of box_muller.ts: the same bits."""
    radius = np.sqrt(-2 * _logarithm(first.astype(np.float64)))
    signed = second.astype(np.int32).astype(np.int64)
    quarter = ((signed + 2**29) & _MASK) >> 30  # the nearest quarter turn
    turn = (signed - (quarter << 30)).astype(np.int32)
    angle = turn * (math.pi * 2.0**-31)  # from there, at most pi / 4
    z = angle * angle
    cosine = radius * (1 + z * _sum(z, _COSINE))
    sine = radius * (angle + angle * z * _sum(z, _SINE))
    odd = (quarter & 1) == 1
    sign = 1.0 - (quarter & 2)
    return np.stack([sign * np.where(odd, -sine, cosine), sign * np.where(odd, cosine, sine)], axis=-1)


def _logarithm(word: Doubles) -> Doubles:
    """The logarithm of (word + 1/2) / 2 ** 32, as 2 artanh s of a number next to 1 and a power of 2."""
    zeros = 32 - np.frexp(word)[1]
    scales = np.array([math.sqrt(0.5) * 2.0 ** (zeros - 31) for zeros in range(33)])
    near = (word + 0.5) * scales[zeros]
    s = (near - 1) / (near + 1)
    total = _sum(s * s, tuple(1 / odd for odd in range(21, 0, -2)))
    found: Doubles = 2 * s * total - (zeros + 0.5) * math.log(2)
    return found


_SINE = (-1 / 1307674368000, 1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6)
_COSINE = (
    1 / 20922789888000,
    -1 / 87178291200,
    1 / 479001600,
    -1 / 3628800,
    1 / 40320,
    -1 / 720,
    1 / 24,
    -1 / 2,
)


def _sum(z: Doubles, factors: tuple[float, ...]) -> Doubles:
    total = np.full_like(z, factors[0])
    for factor in factors[1:]:
        total = total * z + factor
    return total
`,
  "gatehouse_job/vectors.py":
    `"""Vectors of tables: what a batch reads of shards, and the sums of gradients that it sends to them."""

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
`,
  "gatehouse_job/weighting.py": `"""Weightings of tasks' losses: factors of the next step, from the losses so far."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .graphs import load_graph, number
from .job import Job, graph_file

Doubles = npt.NDArray[np.float64]
State = dict[str, npt.NDArray[Any]]


class Weighting:
    """No weighting, every factor is 1; the others, each with state of its own, are made of it."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks
        self.state: State = {}

    def factors(self, epoch: int) -> Doubles:
        """The factors of the tasks in the next step, which is of this epoch."""
        return np.ones(self.tasks)

    def next(self, epoch: int, losses: Doubles, labelled: npt.NDArray[np.bool_], scalars: Mapping[str, float]) -> None:
        """Moves on after a step."""


class _Dwa(Weighting):
    """Dynamic weight averages: the slower a task's mean loss falls from epoch to epoch, the more it weighs."""

    def __init__(self, tasks: int, temperature: float) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        # sums and counts of this epoch, the last and the one before it, and the number of this epoch
        self.state: State = {"sums": np.zeros((3, tasks)), "counts": np.zeros((3, tasks)), "epoch": np.ones(1)}

    def _move(self, epoch: int) -> None:
        while self.state["epoch"][0] < epoch:
            for name in ("sums", "counts"):
                self.state[name] = np.vstack([np.zeros((1, self.tasks)), self.state[name][:2]])
            self.state["epoch"] = self.state["epoch"] + 1

    def factors(self, epoch: int) -> Doubles:
        self._move(epoch)
        if epoch <= 2:
            return np.ones(self.tasks)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self.state["sums"] / self.state["counts"]
            ratios = means[1] / means[2]
        ratios = np.where(np.isfinite(ratios), ratios, 1.0)
        powers = np.exp((ratios - ratios.max()) / self.temperature)
        factors: Doubles = self.tasks * powers / powers.sum()
        return factors

    def next(self, epoch: int, losses: Doubles, labelled: npt.NDArray[np.bool_], scalars: Mapping[str, float]) -> None:
        self._move(epoch)
        self.state["sums"] = self.state["sums"] + np.array([losses * labelled, losses * 0, losses * 0])
        self.state["counts"] = self.state["counts"] + np.array([labelled * 1.0, losses * 0, losses * 0])


class _Graph(Weighting):
    """A weighting whose state a graph moves on, such as that of uncertainty."""

    def __init__(self, folder: Path, given: Mapping[str, Any]) -> None:
        self.graph = graph_file(given["graph"])
        self.run: Callable[[Mapping[str, Any]], dict[str, Any]] = load_graph(folder, self.graph, 1)
        self.state: State = {one["name"]: np.array(one["first"], np.float32) for one in given["state"]}
        self.state["factors"] = np.array(given["factors"], np.float64)

    def factors(self, epoch: int) -> Doubles:
        return self.state["factors"]

    def next(self, epoch: int, losses: Doubles, labelled: npt.NDArray[np.bool_], scalars: Mapping[str, float]) -> None:
        numbers = {name: number(value) for name, value in scalars.items()}
        given = {"losses": losses.astype(np.float32), "labelled": labelled.astype(np.float32)}
        by_name = {one.name: given[one.origin] for one in self.graph.inputs if one.origin in given}
        found = self.run({**numbers, **self.state, **by_name})
        for output in self.graph.outputs:
            if output.role == "state":
                self.state[output.name] = found[output.name]
            elif output.role == "factors":
                self.state["factors"] = found[output.name].astype(np.float64)


def weighting_of(job: Job) -> Weighting:
    """The weighting of a job."""
    given = job.weighting
    if given is None:
        return Weighting(len(job.tasks))
    if given["kind"] == "dwa":
        return _Dwa(len(job.tasks), float(given["temperature"]))
    return _Graph(job.folder, given)
`,
  "gatehouse_job/worker.py":
    `"""A worker: runs the graphs of a training on the rows of its lanes, and sums with the others."""

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.actor import ActorHandle

from .errors import Lost, Refusal
from .graphs import Run, load_graph, number
from .job import Job, Noise, read_job
from .layout import Layout
from .rows import Rows, ahead, check_groups, joined, lane_batches, read_group
from .sums import AllReduce, alone, by_collective, by_objects
from .tensors import read_tensors, write_tensors
from .threefry import drawn, key_of
from .vectors import add_gradients, lookup_inputs, read_vectors, send_gradients
from .weighting import weighting_of

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

DENSE = "training.safetensors"


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
        self.data = Path(storage) / self.job.data
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

    def check(self, rank: int, workers: int) -> None:
        """Loads the graphs, and makes sure that the rows of this worker can be read."""
        job = self.job
        self.run_of = {name: load_graph(job.folder, graph, self.threads) for name, graph in job.graphs.items()}
        groups = [group for lane in self._lanes(rank, workers) for group in self.job.lane_groups(lane)]
        check_groups(self.job, self.data, [*groups, *self.job.validation[rank::workers]])

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
        arrays = read_tensors(job.folder / "arrays.safetensors" if checkpoint is None else Path(checkpoint) / DENSE)
        if checkpoint is None:
            first = {"parameters": np.array(arrays[job.raw["parameters"]["tensor"]])}
            for slot in job.raw.get("slots", []):
                size = first["parameters"].size
                given = arrays[slot["tensor"]] if "tensor" in slot else np.full(size, slot["first"], np.float32)
                first[slot["name"]] = np.array(given)
            self.state = first
        else:
            own = {name: np.array(array) for name, array in arrays.items()}
            self.weighting.state = {
                name.removeprefix(_WEIGHTING): own.pop(name) for name in list(own) if name.startswith(_WEIGHTING)
            }
            self.state = own
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
        except ray.exceptions.RayError as error:
            raise _raised(error) from error
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"records": records if self.place.rank == 0 else [], "peak": peak}

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
            (np.nan_to_num(np.abs(self._cut(one)), nan=np.inf).max(initial=0), one["name"]) for one in self._extents()
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

    def _cut(self, extent: Mapping[str, Any]) -> Floats:
        """A parameter, of its place in the flat array."""
        size, row = int(np.prod(extent["shape"])), extent["row"]
        count = size // row["length"] if row["length"] else 0
        places = extent["start"] + np.arange(count)[:, None] * row["apart"] + np.arange(row["length"])
        found: Floats = self.state["parameters"][places.reshape(-1)].reshape(extent["shape"])
        return found

    def write(self, folder: str) -> dict[str, Any]:
        """Writes the parameters and what training keeps beside them; returns the files' digests by name."""
        path, metadata = Path(folder), self.job.raw["model"].get("metadata", {})
        name = "params-00001-of-00001.safetensors" if self.job.tables else "params.safetensors"
        parameters = {one["name"]: self._cut(one) for one in self._extents()}
        weighting = {_WEIGHTING + name: array for name, array in self.weighting.state.items()}
        return {
            name: write_tensors(path / name, parameters, metadata),
            DENSE: write_tensors(path / DENSE, {**self.state, **weighting}, {}),
        }

    def evaluate(self, rank: int, workers: int) -> list[dict[str, Any]]:
        """Runs the graph of evaluation on this worker's row groups; returns what judges need, piece by piece."""
        try:
            groups = list(enumerate(self.job.validation))[rank::workers]

            def pieces() -> Iterator[tuple[int, Rows]]:
                return ((place, read_group(self.job, self.data, group)) for place, group in groups)

            return [self._evaluated(place, rows) for place, rows in ahead(pieces)]
        except ray.exceptions.RayError as error:
            raise _raised(error) from error

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
_WEIGHTING = "weighting/"
_SUMMED = ("loss", "weight", "auxiliary")


def _raised(error: ray.exceptions.RayError) -> Exception:
    """What a call of another actor has raised; that it is lost, if it is gone."""
    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else None
    if cause is not None and not isinstance(cause, ray.exceptions.RayError):
        return cause  # type: ignore[no-any-return]
    return Lost(f"a process of the training is gone: {type(cause or error).__name__}")


def _scalars(job: Job) -> dict[str, Any]:
    """The scalars of optimisers by name: a number, or one of each step."""
    arrays = read_tensors(job.folder / "arrays.safetensors")
    return {
        name: float(given["constant"]) if "constant" in given else np.array(arrays[given["array"]])
        for name, given in job.scalars.items()
    }


def _wrong(reported: Mapping[str, Any], job: Job) -> str | None:
    """The first reported number that a step cannot be taken with, in words."""
    weighting = job.weighting or {}
    for task, value in reported["loss"].items():
        if not np.isfinite(value):
            return f"the loss of task {task!r} is {value}"
        if value < 0 and weighting.get("nonNegative"):
            return f"the loss of task {task!r} is {value}: the weighting {weighting['name']} needs losses of at least 0"
    for path, value in reported["auxiliary"].items():
        if not np.isfinite(value):
            return f"the loss {path} is {value}"
    return None if np.isfinite(reported["total"]) else f"the sum of the losses is {reported['total']}"
`,
  "program.py":
    `"""Trains the model of a job folder on Ray: python program.py --job FOLDER --storage FOLDER --workers W."""

import json
import sys


def _run() -> int:
    try:
        from gatehouse_job.main import main
    except ImportError as error:  # before there is anything that reports errors
        remedy = "pip install ray numpy onnxruntime pyarrow on the node that runs the program"
        print(json.dumps({"error": {"message": f"Cannot run: {error}", "where": "the driver", "remedy": remedy}}))
        return 1
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_run())
`,
};
