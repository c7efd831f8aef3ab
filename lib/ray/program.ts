/**
 * The Python program that a cluster runs: its files, by their paths in the package of a job. This file is written by
 * `deno run --allow-read --allow-write=lib/ray tools/ray_program.ts` from those that are tested.
 */
export const programFiles: Readonly<Record<string, string>> = {
  "gatehouse_job/__init__.py":
    `"""A training that a job folder describes, on Ray: graphs of ONNX, run by workers that sum their gradients."""
`,
  "gatehouse_job/checkpoints.py":
    `"""Checkpoints in the form of those of one machine, with files more for each shard, and the model at the end."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray

from .errors import Refusal
from .javascript import text_of
from .job import Job, VectorTable, check_file
from .tensors import Array, Arrays, bytes_of, read_tensors, sha256_of, view, write_file

FORMAT = "gatehouse checkpoint 1"
FACTS, ARRAYS, INDEX = "checkpoint.json", "training.bin", "params.safetensors.index.json"
_LARGE = 2**26  # bytes: fewer are read sooner than a task begins
_OTHER = "give another storage, or --fresh to begin anew and write over them"
_TYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4"}

Written = Mapping[str, Mapping[str, Any]]  # the SHA-256 and the bytes of files by name


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, found whole."""

    path: Path
    facts: Mapping[str, Any]
    arrays: Sequence[Mapping[str, Any]]
    rows: Mapping[str, Sequence[str]]

    def flats(self) -> dict[str, Array]:
        """The arrays of training by name: of each parameter, and what training keeps beside it."""
        found, at = {}, 0
        for one in self.arrays:
            dtype = np.dtype(_TYPES[one["type"]])
            found[one["name"]] = view(self.path / ARRAYS, dtype.str, at, [one["length"]])
            at += one["length"] * dtype.itemsize
        return found

    def vectors(self, table: VectorTable, shard: int, shards: int) -> Array:
        """The vectors of a shard's rows."""
        if (self.path / INDEX).exists():
            index = json.loads((self.path / INDEX).read_text(encoding="utf-8"))
            files = index.get("row_map", {}).get(table.path) or [index["weight_map"][table.path]]
        else:
            files = ["params.safetensors"]
        return _rows([read_tensors(self.path / name)[table.path] for name in files], shard, shards)

    def state(self, table: VectorTable, shard: int, shards: int) -> Array:
        """What training keeps beside these vectors, [rows, state]."""
        name, size = f"vectors/{table.path}", (table.rows, table.state)
        if name in self.rows:
            return _rows([read_tensors(self.path / file)[table.path] for file in self.rows[name]], shard, shards)
        return _rows([self.flats().get(name, np.zeros(0, np.float32)).reshape(size)], shard, shards)


def _rows(files: Sequence[Array], shard: int, shards: int) -> Array:
    """The rows of a shard, of a table whose row r is in the file r modulo all files."""
    rows = np.arange(shard, sum(len(one) for one in files), shards)
    found = np.empty((len(rows), *files[0].shape[1:]), np.float32)
    for place, one in enumerate(files):
        own = rows % len(files) == place
        found[own] = one[rows[own] // len(files)]
    return found


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint that was found whole before."""
    return _of(path, json.loads((path / FACTS).read_text(encoding="utf-8"))["checkpoint"])


def _of(path: Path, found: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(path, found["facts"], found["arrays"], found.get("rows", {}))


def write_arrays(path: Path, arrays: Arrays) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Writes arrays one after the other; returns what they are, and the digest and size of the file."""
    entries = [{"name": name, "type": array.dtype.name, "length": array.size} for name, array in arrays.items()]
    return entries, write_file(path, map(bytes_of, arrays.values()))


def write_checkpoint(job: Job, storage: Path, step: int, validated: bool, write: Callable[[str], Any]) -> Path:
    """Writes the checkpoint of a step, whole, and removes later ones, and the oldest that are too many."""
    folder = storage / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".step-*.gatehouse-new-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed while it wrote
    path = folder / f"step-{step:08}"
    staged = folder / f".{path.name}.gatehouse-new-{uuid.uuid4().hex[:8]}"
    staged.mkdir()
    try:
        arrays, weighting, files = write(str(staged))
        files |= _model_files(job, staged, files)
        states = sorted(name for name in files if name.startswith("training-rows-"))
        checkpoint = {
            "format": FORMAT,
            "facts": _facts(job, step, validated, weighting),
            "arrays": arrays,
            "rows": {f"vectors/{table.path}": states for table in job.tables},
            "files": {name: one["sha256"] for name, one in files.items()},
        }
        write_file(staged / FACTS, [_text(_digest(checkpoint), checkpoint).encode()])
        shutil.rmtree(path, ignore_errors=True)
        staged.rename(path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    found = _versions(folder)  # those of later steps were passed over
    kept = [one for one in found if _step_of(one) <= step][: job.raw["checkpoint"]["keep"]]
    needed = {_base_of(one) for one in kept}
    for one in found:
        if one not in kept and one.name not in needed:
            shutil.rmtree(one, ignore_errors=True)
    return path


def _base_of(path: Path) -> str | None:
    """The name of the checkpoint without which one cannot be read: one of train's may have what changed alone."""
    try:
        base = json.loads((path / FACTS).read_text(encoding="utf-8"))["checkpoint"].get("base")
        return str(base["folder"]) if base else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _facts(job: Job, step: int, validated: bool, weighting: Any) -> dict[str, Any]:
    """What train's checkpoints say of a training between two steps; a position is that of rows in memory."""
    within, given = step % job.steps_per_epoch, job.raw["checkpoint"]
    epoch = step // job.steps_per_epoch + 1
    facts: dict[str, Any] = {"step": step, "rows": job.rows_after(step), "count": step, "epoch": epoch}
    if within > 0:
        facts["position"] = {"place": {"window": 0, "part": 0, "row": 0}, "batch": within}
    if weighting is not None:
        facts["weighting"] = weighting
    facts |= {"validated": validated, "largest": {}, "rates": _rates_at(job, step)}
    return {**facts, "identity": given["identity"], "engine": "ray"}


def _rates_at(job: Job, step: int) -> dict[str, Any]:
    """The rates of a step, each at its path."""
    found: dict[str, Any] = {}
    for one in job.raw["checkpoint"]["rates"]:
        *above, last = one["path"]
        place = found
        for name in above:
            place = place.setdefault(name, {})
        place[last] = one["constant"] if "constant" in one else float(job.arrays[one["array"]][step - 1].view("<f8")[0])
    return found


def _model_files(job: Job, folder: Path, files: Written) -> dict[str, Any]:
    """Adds what makes a folder a model that can be loaded: its other files, and an index of shards."""
    found: dict[str, Any] = {}
    for name in job.raw["model"]["files"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.file(name), folder / name)
        check_file(folder / name, job.files[name], "write the job anew")
        found[name] = {"sha256": job.files[name]}
    if job.tables:
        dense = next(name for name in files if name.startswith("params-"))
        rows = sorted(name for name in files if name.startswith("rows-"))
        index = {
            "metadata": {
                "total_size": sum(files[name]["bytes"] for name in [dense, *rows]),
                "sha256": {name: files[name]["sha256"] for name in [dense, *rows]},
            },
            "weight_map": {one["name"]: dense for one in job.raw["parameters"]["extents"]},
            "row_map": {table.path: rows for table in job.tables},
        }
        found[INDEX] = write_file(folder / INDEX, [json.dumps(index, indent=2).encode()])
    return found


def _text(digest: str, checkpoint: Any) -> str:
    """The text of the file of facts."""
    return text_of({"sha256": digest, "checkpoint": checkpoint}, "") + "\\n"


def _digest(checkpoint: Any) -> str:
    return hashlib.sha256(text_of(checkpoint).encode()).hexdigest()


def _versions(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = [path for path in folder.glob("step-*") if path.name[5:].isascii() and path.name[5:].isdigit()]
    return sorted(found, key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    """The step of a checkpoint, by its name."""
    return int(path.name[5:])


def newest_checkpoint(job: Job, storage: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; none if there are none. Refuses if there are some, and none is whole."""
    folder, wrong = storage / "checkpoints", dict[Path, str]()
    for path in _versions(folder):
        found = _whole(path)
        if not isinstance(found, str):
            for passed, reason in wrong.items():
                warn(f"the checkpoint {passed} was passed over: {reason}; {path.name} is taken")
            _check_same(job, found, path)
            return _of(path, found)
        wrong[path] = found
    if wrong:
        reasons = "; ".join(f"{path.name}: {reason}" for path, reason in wrong.items())
        what = f"Cannot go on from the checkpoints in the storage: none is whole: {reasons}"
        raise Refusal(what, str(folder), _OTHER)
    return None


def _whole(path: Path) -> dict[str, Any] | str:
    """What the file of facts holds; of a checkpoint that is not whole what is wrong with it, in words."""
    try:
        text = (path / FACTS).read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)["checkpoint"]
        if text != _text(_digest(found), found) or found["format"] != FORMAT:
            return f"{FACTS} is damaged, or of another version"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{FACTS} is damaged or missing"
    if found.get("base") is not None:
        return f"it has what changed since {found['base']['folder']} alone"
    check = ray.remote(num_cpus=0)(_sha256)
    paths = {name: path / name for name in found["files"]}
    large = {name: check.remote(one) for name, one in paths.items() if one.is_file() and one.stat().st_size > _LARGE}
    for name, digest in found["files"].items():
        if (ray.get(large[name]) if name in large else _sha256(paths[name])) != digest:
            return f"{name} is damaged or missing"
    return found


def _sha256(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _check_same(job: Job, found: Mapping[str, Any], path: Path) -> None:
    """Makes sure that a checkpoint is of this training; it may be of a longer or a shorter one."""
    facts, names = found["facts"], job.raw["model"]["files"]
    rates = _rates_at(job, facts["step"]) if facts["step"] <= job.steps else facts["rates"]
    own = {**job.raw["checkpoint"]["identity"], "rates": rates, **{name: job.files[name] for name in names}}
    saved = {**facts["identity"], "rates": facts["rates"], **{name: found["files"].get(name) for name in names}}
    for name in {**own, **saved}:
        if own.get(name) != saved.get(name):
            what = "Cannot go on from the checkpoints in the storage: they are of another job"
            here, there = (text_of(one.get(name))[:60] for one in (own, saved))
            what = f"{what}: {name}: found {here}, the checkpoint has {there}"
            raise Refusal(what, str(path), _OTHER)


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

import errno
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
_FULL, _USER = "make room there, or give another storage", "let the user that Ray runs as read and write there"
_REMEDIES = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EACCES: _USER, errno.EPERM: _USER}
_REMEDIES[errno.EROFS] = "mount it for writing"
_SHARE = "give a folder that is mounted on all nodes at one path"


def check_ray() -> None:
    """Makes sure that Ray is new enough."""
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < OLDEST:
        what = f"Cannot run on Ray {ray.__version__}: wanted {OLDEST[0]}.{OLDEST[1]} or newer"
        raise Refusal(what, "the cluster", "install a newer Ray on all nodes, pip install -U ray")


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
    failed = None
    action = "read"
    try:
        with open(f"{storage}/{token}", encoding="utf-8") as file:
            file.read()
        action = "write"
        with open(f"{storage}/{token}.{node}", "x", encoding="utf-8") as file:
            file.write(node)
    except OSError as error:
        failed = (action, error.errno)
    return {"missing": missing, "versions": versions, "failed": failed}


def check_nodes(storage: Path, patience: float) -> dict[str, Any]:
    """Makes sure that each node has the packages and shares the storage; returns what was found."""
    token = f".gatehouse-{uuid.uuid4().hex}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        (storage / token).write_text(token, encoding="utf-8")
        nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        found = _looks(nodes, str(storage), token, patience)
        for node, facts in found.items():
            _check_node(nodes[node], facts, (storage / f"{token}.{node}").is_file(), storage)
        versions = {nodes[node]: facts["versions"] for node, facts in found.items()}
        return {"ray": ray.__version__, "nodes": versions, "torch": all("torch" in one for one in versions.values())}
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "give a folder of all nodes")
        raise Refusal(f"Cannot write to the storage: {error.strerror}", str(storage), remedy) from error
    finally:
        for left in storage.glob(f"{token}*"):
            left.unlink(missing_ok=True)


def _looks(nodes: dict[str, str], storage: str, token: str, patience: float) -> dict[str, dict[str, Any]]:
    """What each node has, by its id."""
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    pending = {}
    for node in nodes:
        there = look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        pending[there.remote(storage, token, node)] = node
    done, late = ray.wait(list(pending), num_returns=len(pending), timeout=patience)
    if late:
        names = ", ".join(nodes[pending[one]] for one in late)
        raise Refusal(f"Cannot reach nodes of the cluster within {patience:g} s", names, "look at \`ray status\`")
    found = {}
    for one in done:
        try:
            found[pending[one]] = ray.get(one)
        except ray.exceptions.RayError as error:
            what = f"Cannot run on a node: {type(error).__name__}"
            raise Refusal(what, nodes[pending[one]], "see \`ray logs\`") from error
    return found


def _check_node(name: str, facts: dict[str, Any], is_seen: bool, storage: Path) -> None:
    missing = [package for package in facts["missing"] if package in PACKAGES]
    if missing:
        remedy = f"pip install {' '.join(missing)} there, or name them in the job's runtime environment"
        raise Refusal(f"Cannot run on node {name}: it lacks {', '.join(missing)}", name, remedy)
    action, number = facts["failed"] or ("", None)
    if number is not None and number != errno.ENOENT:
        remedy = _REMEDIES.get(number, f"look at the folder there, or {_SHARE}")
        raise Refusal(f"Cannot {action} the storage {storage} on node {name}: {os.strerror(number)}", name, remedy)
    if number == errno.ENOENT or not is_seen:
        writer, reader = ("the driver", "it") if number == errno.ENOENT else ("it", "the driver")
        what = f"what {writer} writes is not seen by {reader}"
        raise Refusal(f"Cannot share the storage {storage} with node {name}: {what}", name, _SHARE)


def check_cpus(workers: int, cpus: int, lanes: int | None) -> None:
    """Makes sure that there can be as many workers."""
    what = f"{workers} workers"
    if workers < 1 or cpus < 1:
        raise Refusal("Cannot run: workers and cpus must be at least 1", what, "give --workers 1 or more")
    if lanes is not None and workers > lanes:
        remedy = f"give at most {lanes} workers, or write the job with more lanes"
        raise Refusal(f"Cannot run {what}: the job has {lanes} lanes", what, remedy)


def lacking(wanted: int, cpus: int, patience: float) -> Refusal:
    """The error of resources that the cluster does not have."""
    total, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
    what = f"Cannot start {wanted} workers of {cpus} CPUs each within {patience:g} s: the cluster has {total:g} CPUs"
    nodes = ", ".join(sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]))
    remedy = "give fewer --workers or --cpus, add nodes, or wait longer with --patience"
    return Refusal(f"{what}, {free:g} of them free", nodes, remedy)


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

from .checkpoints import newest_checkpoint, write_checkpoint, write_model
from .cluster import check_cpus, check_nodes, check_ray, lacking, shared_folder
from .errors import Lost, Refusal, is_short, out_of_memory
from .javascript import text_of
from .job import Job, read_job
from .judging import judge
from .worker import Worker

SECONDS_OF_A_CALL = 0.5  # steps are asked for in calls of about this length
MOST_LOSSES = 10  # without a new checkpoint between them
MOST_SHORT = 2  # the same, of processes that Ray ends for lack of memory


def say(record: dict[str, Any]) -> None:
    """Prints a record as one line of JSON, in which a number that is not finite is null."""
    print(text_of(record), flush=True)


@dataclass
class Run:
    """A training that goes on: what changes from step to step."""

    job: Job
    storage: Path
    options: argparse.Namespace
    transport: str
    step: int = 0
    losses: int = 0  # since the last checkpoint, and those of them for lack of memory
    short: int = 0
    is_checked: bool = False  # the rows, from the first to the last byte
    saved: Path | None = None  # the newest checkpoint
    saved_at: float = field(default_factory=time.monotonic)
    said_at: float = 0.0
    began: float = 0.0
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
        remedy = "pip install torch on all nodes, or give --transport objects"
        raise Refusal("Cannot sum by collectives: a node lacks torch", "--transport collective", remedy)
    collective = options.transport == "collective" or (options.transport == "auto" and found["torch"])
    job = read_job(shared_folder(job.folder, storage, job.digest))
    run = Run(job, storage, options, "collective" if collective else "objects")
    if options.fresh:
        shutil.rmtree(storage / "checkpoints", ignore_errors=True)
    while (end := _attempt(run)) is None:
        pass
    model = write_model(end, storage)
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


def _attempt(run: Run) -> Path | None:
    """Goes on from the last checkpoint; returns that of the end, or None if actors were lost on the way."""
    team: list[ActorHandle] = []
    try:
        found = newest_checkpoint(run.job, run.storage, lambda text: say({"warning": text}))
        run.step, run.saved = (found.facts["step"], found.path) if found else (0, None)
        if run.step < run.job.steps:
            _gather(run, team)
            if run.step > 0 or run.losses > 0:
                say({"event": "resumed", "step": run.step, "workers": len(team)})
            _begin(run, team)
        while run.step < run.job.steps:
            _advance(run, team)
        return run.saved
    except (Lost, RayError) as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        if is_short(cause):
            raise out_of_memory("a worker ran out of memory", f"after step {run.step}, {cause}", run.peak) from error
        if not isinstance(cause, (Lost, RayError)):
            raise cause from error
        _lost(run, cause)
        return None
    finally:
        for actor in team:
            ray.kill(actor)


def _lost(run: Run, cause: Exception) -> None:
    """Says that an actor was lost; refuses to go on if that happens again and again without a new checkpoint."""
    run.losses += 1
    run.short += isinstance(cause, OutOfMemoryError)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    text = f"{type(cause).__name__}: {lines[0] if lines else ''}"
    say({"event": "worker lost", "step": run.step, "losses": run.losses, "peak": run.peak, "cause": text})
    is_memory = run.short > MOST_SHORT
    if is_memory or run.losses > MOST_LOSSES:
        what, times = ("a node ran out of memory", run.short) if is_memory else ("workers were lost", run.losses)
        what = f"{what} {times} times without a new checkpoint between them"
        raise out_of_memory(what, f"after step {run.step}, {text}", run.peak) from cause


def _gather(run: Run, team: list[ActorHandle]) -> None:
    """Starts the actors. After a loss as many workers as there is room for will do, once it was waited for more."""
    job, options = run.job, run.options
    wanted, patience = options.workers, options.patience
    folder = str(job.folder)
    place = {"scheduling_strategy": "SPREAD", "max_restarts": 0, "max_task_retries": 0}
    worker = ray.remote(num_cpus=options.cpus, concurrency_groups={"mail": 1}, **place)(Worker)
    team.extend(worker.remote(folder, str(run.storage), options.cpus) for _ in range(wanted))
    ready = {actor.ready.remote(): actor for actor in team}
    done, late = ray.wait(list(ready), num_returns=wanted, timeout=patience)
    ray.get(done)
    if late and (run.losses == 0 or not done):
        raise lacking(wanted, options.cpus, patience)
    for one in late:
        ray.kill(ready[one])
        team.remove(ready[one])
    if late:
        say({"warning": f"there is room for {len(team)} of {wanted} workers: the training goes on with these"})


def _begin(run: Run, team: list[ActorHandle]) -> None:
    """Brings all actors to the state after a step, once the rows that they will read were found to be there."""
    _all([actor.check.remote(rank, len(team), run.is_checked) for rank, actor in enumerate(team)])
    run.is_checked = True
    group = f"gatehouse-{uuid.uuid4().hex}" if run.transport == "collective" else None
    checkpoint = str(run.saved) if run.saved else None
    _all([actor.begin.remote(rank, team, group, checkpoint, run.step) for rank, actor in enumerate(team)])
    run.began, run.rows_before = time.monotonic(), run.job.rows_after(run.step)


def _all(pending: Sequence[Any]) -> list[Any]:
    """The results of calls; the error of the first that fails, though others never end."""
    left = list(pending)
    while left:
        done, left = ray.wait(left, num_returns=1)
        ray.get(done)
    found: list[Any] = ray.get(list(pending))
    return found


def _advance(run: Run, team: list[ActorHandle]) -> None:
    """Takes some steps, up to the next evaluation or checkpoint, and says what they report."""
    job, start = run.job, time.monotonic()
    every, between = job.raw["checkpoint"]["every"], job.raw["evaluate"]["every"]
    spans = [span for span in (job.steps_per_epoch, every.get("steps"), between) if span]
    count = min(run.per_call, *(end - run.step for end in (job.steps, *((run.step // one + 1) * one for one in spans))))
    found = _all([actor.run.remote(count) for actor in team])
    run.step += count
    run.peak = max(run.peak, *(one["peak"] for one in found))
    seconds = time.monotonic() - start
    run.per_call = max(1, min(2 * run.per_call, round(count * SECONDS_OF_A_CALL / max(seconds, 1e-6))))
    records: list[dict[str, Any]] = found[0]["records"]
    ends = run.step % job.steps_per_epoch == 0 or run.step == job.steps
    if job.validation and (ends or (between and run.step % between == 0)):
        held = time.monotonic()
        pieces = _all([actor.evaluate.remote(rank, len(team)) for rank, actor in enumerate(team)])
        records[-1]["validation"] = judge(job, [piece for some in pieces for piece in some])
        run.began += time.monotonic() - held
    due = "seconds" in every and time.monotonic() - run.saved_at >= every["seconds"]
    if ends or due or ("steps" in every and run.step % every["steps"] == 0):
        _save(run, team, "validation" in records[-1])
    for record in records:
        now = time.monotonic()
        is_last = ends and record is records[-1]
        if is_last or "validation" in record or now - run.said_at >= run.options.records:
            run.said_at = now
            say({**record, "rate": (record["rows"] - run.rows_before) / max(now - run.began, 1e-9)})


def _save(run: Run, team: list[ActorHandle], validated: bool) -> None:
    def write(folder: str) -> Any:
        (arrays, weighting, _), *_ = found = _all([actor.write.remote(folder) for actor in team])
        return arrays, weighting, {name: facts for _, _, files in found for name, facts in files.items()}

    run.saved = write_checkpoint(run.job, run.storage, run.step, validated, write)
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


def is_short(error: BaseException | None) -> bool:
    """True of an error that a process without memory raises: onnxruntime has no type for it."""
    words = ("bad allocation", "bad_alloc", "Failed to allocate memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def out_of_memory(what: str, where: str, peak: int) -> Refusal:
    """The error of workers that lack memory, or are lost again and again, with their peak in bytes."""
    return Refusal(
        f"Cannot train: {what}",
        f"{where}; a worker took at most {peak / 2**20:.0f} MiB of memory",
        "if nodes are out of memory: give a smaller window or batch, more shards, or fewer workers on a node; "
        "else write checkpoints more often",
    )
`,
  "gatehouse_job/flat.py":
    `"""The parameters and what training keeps beside them: flat arrays, which checkpoints have cut, one for each path."""

from collections.abc import Mapping

import numpy as np

from .job import Job
from .tensors import Arrays, Floats, Places

State = dict[str, Floats]


def first_state(job: Job) -> State:
    """The state before the first step, [size] each."""
    arrays, given = job.arrays, job.raw["parameters"]
    found = {"parameters": np.array(arrays[given["tensor"]])}
    for slot in job.raw["slots"]:
        first = arrays[slot["tensor"]] if "tensor" in slot else slot["first"]
        found[slot["name"]] = np.full(given["size"], first, np.float32)
    return found


def filled(job: Job, arrays: Arrays) -> State:
    """The state that was cut."""
    state = first_state(job)
    for path, places, _ in _extents(job):
        for name, flat in state.items():
            flat[places] = arrays[f"{name}/{path}"]
    return state


def cut(job: Job, state: Mapping[str, Floats]) -> State:
    """The state of each parameter, as NAME/PATH."""
    return {f"{name}/{path}": flat[places] for path, places, _ in _extents(job) for name, flat in state.items()}


def parameters_of(job: Job, flat: Floats) -> State:
    """The parameters by path, in their shapes."""
    return {path: flat[places].reshape(shape) for path, places, shape in _extents(job)}


def _extents(job: Job) -> list[tuple[str, Places, list[int]]]:
    """The paths of parameters, their places in the flat array in their own order, and their shapes."""
    found = []
    for one in job.raw["parameters"]["extents"]:
        size, row = int(np.prod(one["shape"])), one["row"]
        starts = one["start"] + np.arange(size // row["length"] if row["length"] else 0) * row["apart"]
        found.append((one["name"], (starts[:, None] + np.arange(row["length"])).reshape(-1), one["shape"]))
    return found
`,
  "gatehouse_job/graphs.py": `"""Graphs of ONNX as functions of arrays by name."""

from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from .errors import Refusal
from .job import GraphFile, Job
from .tensors import Array, Arrays

Run = Callable[[Arrays], dict[str, Array]]


def load_graph(job: Job, graph: GraphFile, threads: int) -> Run:
    """The run of a graph: from what its inputs are named in the job to what its outputs are. Others are ignored."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(job.file(graph.path))
    what = f"Cannot load the graph {graph.path}"
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for each of its codes
        raise Refusal(f"{what}: {error}", path, "install a newer onnxruntime") from error
    names = [output.onnx for output in graph.outputs]
    inputs = [(one.name, one.onnx) for one in graph.inputs]
    known = {one.name for one in [*session.get_inputs(), *session.get_outputs()]}
    lacking = [name for name in [*names, *(onnx for _, onnx in inputs)] if name not in known]
    if lacking:
        raise Refusal(f"{what}: it has no {lacking[0]!r}", path, "write the job anew")

    def run(given: Arrays) -> dict[str, Array]:
        found = session.run(names, {onnx: given[name] for name, onnx in inputs})
        return {output.name: array for output, array in zip(graph.outputs, found, strict=True)}

    return run


def number(value: float) -> Array:
    """A number as an input."""
    return np.array(value, np.float32)
`,
  "gatehouse_job/javascript.py":
    `"""JSON as JavaScript prints it, byte for byte, for checkpoints have the digest of such a text."""

import json
import math
from typing import Any

import numpy as np


def text_of(value: Any, indent: str | None = None) -> str:
    """The text of JSON.stringify; of an indented one the spaces before the value."""
    if isinstance(value, float):
        return _number(value)
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    deeper = None if indent is None else indent + "  "
    colon = ":" if indent is None else ": "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}{colon}{text_of(one, deeper)}" for key, one in value.items()]
    else:
        parts = [text_of(one, deeper) for one in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    if indent is None or not parts:
        return begin + ",".join(parts) + end
    return f"{begin}\\n{deeper}" + f",\\n{deeper}".join(parts) + f"\\n{indent}{end}"


def _number(value: float) -> str:
    """The shortest digits that are this number, with a point between 1e-6 and 1e21; null if it is not finite."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
`,
  "gatehouse_job/job.py":
    `"""The job: what is to be run, as job.json in its folder says. Its writer gives every field: there are no defaults."""

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
    """A job, as its folder holds it; \`raw\` has what is read in one place alone."""

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
    digest = hashlib.sha256(whole.partition(b"\\n")[2]).hexdigest()
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
`,
  "gatehouse_job/judging.py": `"""Losses and metrics of an evaluation, exact, over all rows of all workers."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .job import Job, Task
from .tensors import Array, Arrays, Doubles

Run = Callable[[dict[str, Array]], Arrays]


def evaluated(job: Job, place: int, rows: Arrays, run: Run) -> dict[str, Any]:
    """Sums of losses and weights over a row group, and its rows' predictions and labels by task."""
    count, at_once = len(next(iter(rows.values()))), job.raw["evaluate"]["rows"]
    sums: dict[str, float] = defaultdict(float)
    held: dict[str, list[Array]] = {}
    for start in range(0, count, at_once):
        piece = {name: array[start : start + at_once] for name, array in rows.items()}
        found = run(piece)
        for output in job.graphs["evaluate"].outputs:
            value = found[output.name]
            if output.role in ("prediction", "logits"):
                held.setdefault(output.name, []).append(value)
                continue
            weight = len(next(iter(piece.values()))) if output.role == "auxiliary" else 1.0
            if output.role == "loss":
                weight = float(found[f"weight/{output.name.removeprefix('loss/')}"])
            sums[output.name] += float(value) * weight if weight > 0 else 0.0
    tasks = {}
    for task in job.tasks:
        prediction, logits = (np.concatenate(held[name]) for name in (task.name, f"logits/{task.name}"))
        label, weights = rows[f"labels/{task.name}"].reshape(-1), rows[f"weights/{task.name}"]
        tasks[task.name] = {"prediction": prediction, "logits": logits, "label": label, "weight": weights}
    return {"place": place, "rows": count, "sums": sums, "tasks": tasks}


def judge(job: Job, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The evaluation of pieces, which may come in any order."""
    ordered = sorted(pieces, key=lambda piece: int(piece["place"]))
    rows = sum(piece["rows"] for piece in ordered)
    sums: dict[str, float] = defaultdict(float)
    for piece in ordered:
        for name, value in piece["sums"].items():
            sums[name] += value
    loss: dict[str, float] = {}
    metrics: dict[str, dict[str, float]] = {}
    for task in job.tasks:
        weight = sums[f"weight/{task.name}"]
        loss[task.name] = sums[f"loss/{task.name}"] / weight if weight > 0 else float("nan")
        own = [piece["tasks"][task.name] for piece in ordered]
        held = {name: np.concatenate([one[name] for one in own]) for name in own[0]}
        metrics[task.name] = _metrics(task, loss[task.name], held)
    auxiliary = {name.removeprefix("auxiliary/"): sums[name] / rows for name in sums if name.startswith("auxiliary/")}
    return {"loss": loss, "auxiliary": auxiliary, "metrics": metrics}


def _metrics(task: Task, loss: float, held: Arrays) -> dict[str, float]:
    counts = held["weight"] > 0
    weights, labels, predictions, logits = (
        held[name][counts].astype(np.float64) for name in ("weight", "label", "prediction", "logits")
    )
    labels = labels * task.label.scale + task.label.mean
    found: dict[str, float] = {}
    for name, metric in task.metrics.items():
        match metric["kind"]:
            case "loss":
                found[name] = loss
            case "auc":
                found[name] = auc(logits.reshape(-1) if metric["of"] == "logits" else predictions, labels, weights)
            case "accuracy" | "categoricalAccuracy":
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
    _, places = np.unique(scores, return_inverse=True)
    ups, downs = (np.bincount(places, weights * (positive == (labels > 0.5))) for positive in (True, False))
    below = np.cumsum(downs) - downs
    pairs = ups.sum() * downs.sum()
    return float((ups * (below + downs / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _right(predictions: Doubles, labels: Doubles) -> Doubles:
    """1 for each row that is right, NaN where its predictions are."""
    if predictions.ndim == 1:
        return np.where(np.isnan(predictions), np.nan, (predictions > 0.5) == (labels > 0.5))
    return np.where(np.isnan(predictions).any(axis=1), np.nan, np.argmax(predictions, axis=1) == labels)


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

from typing import Any

import numpy as np

from .job import Job
from .tensors import Arrays, Floats

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
        self.size = end + len(job.tasks) + 1

    def zeros(self) -> Floats:
        """The sums of no run."""
        return np.zeros(self.size, np.float32)

    def add(self, sums: Floats, found: Arrays, share: Floats, of_rows: float) -> None:
        """Adds the outputs of a run, by its share in the weights of each task and in the rows."""
        tasks = {f"loss/{task.name}": share[at] for at, task in enumerate(self.job.tasks)}
        for output in self.outputs:
            begin, end = self.places[output.name]
            factor = tasks[output.name] if output.role == "loss" else of_rows if output.role in _SHARED else 1
            value = found[output.name].reshape(-1)
            sums[begin:end] += value if factor == 1 else value * np.float32(factor)

    def put_weights(self, sums: Floats, weights: Floats) -> None:
        """Puts this worker's weights of tasks in the next step."""
        sums[self.last : -1] = weights

    def weights(self, sums: Floats) -> Floats:
        """The weights of tasks in the next step over all workers, [tasks]."""
        return sums[self.last : -1].copy()

    def put_squares(self, sums: Floats, squares: float) -> None:
        """Puts the sum of squares of the gradients of this worker's vectors."""
        sums[-1] = squares

    def squares(self, sums: Floats) -> float:
        """The sum of squares of the gradients of vectors over all workers."""
        return float(sums[-1])

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
  "gatehouse_job/mail.py": `"""What workers send each other, by its name and turn: one value of each for each."""

import pickle
import threading
from collections.abc import Sequence
from typing import Any

from ray.actor import ActorHandle

from .errors import Lost

PATIENCE = 600  # seconds for which a slow worker is waited for; one that is gone ends all at once


class Mail:
    """The place of a worker among all, and what has come from them."""

    def __init__(self, rank: int = 0, peers: Sequence[ActorHandle | None] = (None,)) -> None:
        self.rank, self.workers = rank, len(peers)
        self.peers = [None if at == rank else peer for at, peer in enumerate(peers)]
        self.came: dict[tuple[str, int], dict[int, Any]] = {}
        self.changed = threading.Condition()

    def send(self, name: str, turn: int, values: Sequence[Any]) -> None:
        """Sends each worker its value. The driver finds one that is gone, and ends those that wait for it."""
        for peer, value in zip(self.peers, values, strict=True):
            if peer is None:
                self.put(self.rank, name, turn, value)
            else:
                peer.put.remote(self.rank, name, turn, *_pieces(value))

    def put(self, sender: int, name: str, turn: int, *pieces: Any) -> None:
        """Keeps what a worker has sent."""
        value = pickle.loads(b"".join(pieces)) if isinstance(pieces[0], bytes) else pieces[0]
        with self.changed:
            self.came.setdefault((name, turn), {})[sender] = value
            self.changed.notify_all()

    def take(self, name: str, turn: int) -> list[Any]:
        """What all have sent, by rank, once it is there."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.came.get((name, turn), ())) == self.workers, PATIENCE):
                raise Lost(f"workers have not sent their {name} of {turn} for {PATIENCE} s")
            found = self.came.pop((name, turn))
        return [found[rank] for rank in range(self.workers)]


def _pieces(value: Any) -> list[Any]:
    """A value as arguments that the call itself carries, which is sooner there; one that is large as it is."""
    whole = pickle.dumps(value, protocol=5)
    if len(whole) > _LARGE:
        return [value]
    return [whole[at : at + _CARRIED] for at in range(0, len(whole), _CARRIED)]


_CARRIED = 90_000  # bytes: Ray puts an argument of more than 100 KB into its object store
_LARGE = 700_000  # bytes: from so many on the store is sooner
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
    parser.add_argument("--fresh", action="store_true", help="removes the checkpoints of the storage: else it goes on")
    parser.add_argument("--check", action="store_true", help="checks the cluster alone")
    parser.add_argument("--debug", action="store_true", help="prints tracebacks, and what workers print, on stderr")
    return parser
`,
  "gatehouse_job/rows.py":
    `"""Rows of Parquet row groups: checked, read a window ahead, and put in the order that seeds determine."""

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
`,
  "gatehouse_job/shards.py":
    `"""The rows of tables that a worker holds, with the state of their optimisers, and what it sends the others of them."""

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
`,
  "gatehouse_job/sums.py":
    `"""Sums over workers: of one, by the collectives of Ray (gloo), or by what workers send each other."""

from collections.abc import Callable

import numpy as np

from .errors import Lost
from .mail import PATIENCE, Mail
from .tensors import Floats

AllReduce = Callable[[Floats], Floats]


def alone(array: Floats) -> Floats:
    """The sum over one worker."""
    return array


def by_collective(rank: int, workers: int, group: str) -> AllReduce:
    """The sum by gloo: the same bytes for all workers."""
    from ray.util import collective

    try:
        collective.init_collective_group(workers, rank, backend="gloo", group_name=group, gloo_timeout=1000 * PATIENCE)
    except RuntimeError as error:
        raise Lost(f"the collective group was not formed: {error}") from error

    def allreduce(array: Floats) -> Floats:
        try:
            collective.allreduce(array, group_name=group)
        except RuntimeError as error:  # a peer is gone
            raise Lost(f"a sum over workers failed: {error}") from error
        return array

    return allreduce


def by_objects(mail: Mail) -> AllReduce:
    """The sum by the object store, in the order of the workers, each of which adds a slice: the same bytes for all."""
    turn = 0

    def allreduce(array: Floats) -> Floats:
        nonlocal turn
        turn += 1
        mail.send("slice", turn, np.array_split(array, mail.workers))
        first, *others = mail.take("slice", turn)
        total = first.copy()
        for other in others:
            total += other
        mail.send("sum", turn, [total] * mail.workers)
        return np.concatenate(mail.take("sum", turn))

    return allreduce
`,
  "gatehouse_job/tensors.py":
    `"""Arrays by their types, and files of them: safetensors and plain ones, written whole and with their SHA-256."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a file that is whole, by name, as views of the file that are read when they are used."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: view(path, _DTYPES[entry["dtype"]], 8 + length + entry["data_offsets"][0], entry["shape"])
        for name, entry in header.items()
    }


def view(path: Path, dtype: str, begin: int, shape: Iterable[int]) -> Array:
    """An array within a file."""
    shape = tuple(shape)
    return np.zeros(shape, dtype) if 0 in shape else np.memmap(path, dtype, "r", begin, shape)


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
    return write_file(path, [len(text).to_bytes(8, "little"), text, *map(bytes_of, tensors.values())])


def bytes_of(array: Array) -> bytes | memoryview:
    """The bytes of an array."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data if flat.size > 0 else b""


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Writes a new file to the disk; returns its SHA-256 and size."""
    digest = hashlib.sha256()
    size = 0
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return {"sha256": digest.hexdigest(), "bytes": size}


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


# the terms of the series but for the first, the highest power first
_SINE = tuple((-1) ** (power // 2) / math.factorial(power) for power in range(15, 1, -2))
_COSINE = tuple((-1) ** (power // 2) / math.factorial(power) for power in range(16, 0, -2))


def _sum(z: Doubles, factors: tuple[float, ...]) -> Doubles:
    total = np.full_like(z, factors[0])
    for factor in factors[1:]:
        total = total * z + factor
    return total
`,
  "gatehouse_job/vectors.py":
    `"""Vectors of tables: where their rows lie, what the runs of a step read of them, and the sums of their gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .job import Job, Part, VectorTable
from .tensors import Array, Arrays, Floats, Places


class Pool:
    """Tables whose vectors are of one size and change by one rule, as one array of rows.

    An address is the place of a row in it: the rows of a worker follow each other, in them those of a shard, in them
    those of a table. Row \`r\` lies on shard \`r mod shards\` at place \`r div shards\`, shard \`s\` on worker \`s mod workers\`.
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
`,
  "gatehouse_job/weighting.py": `"""Weightings of tasks' losses: factors of the next step, from the losses so far."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .graphs import load_graph, number
from .job import GraphFile, Job, parsed
from .tensors import Doubles

Bools = npt.NDArray[np.bool_]


class Weighting:
    """No weighting, every factor is 1; the others, each with state of its own, are made of it."""

    def __init__(self, job: Job) -> None:
        self.tasks = len(job.tasks)

    def saved(self) -> Any:
        """The state as checkpoints have it; None if there is none."""

    def begin(self, saved: Any) -> None:
        """Goes on from a state, if there was one."""

    def factors(self, epoch: int) -> Doubles:
        """The factors of the tasks in the next step, which is of this epoch."""
        return np.ones(self.tasks)

    def next(self, epoch: int, losses: Doubles, labelled: Bools, scalars: Mapping[str, float]) -> None:
        """Moves on after a step."""


class _Dwa(Weighting):
    """Dynamic weight averages: the slower a task's mean loss falls from epoch to epoch, the more it weighs."""

    def __init__(self, job: Job, temperature: float) -> None:
        super().__init__(job)
        self.temperature = temperature
        self.known: dict[int, list[dict[str, float]]] = {}  # the sum and the count of each task's losses, by epoch

    def saved(self) -> Any:
        return [[epoch, sums] for epoch, sums in self.known.items()]

    def begin(self, saved: Any) -> None:
        self.known = dict(saved)

    def factors(self, epoch: int) -> Doubles:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self._means(epoch - 1) / self._means(epoch - 2)
        ratios = np.where(np.isfinite(ratios), ratios, 1.0)
        powers = np.exp((ratios - ratios.max()) / self.temperature)
        factors: Doubles = self.tasks * powers / powers.sum()
        return factors

    def _sums(self, epoch: int) -> list[dict[str, float]]:
        return self.known.get(epoch, [{"sum": 0.0, "count": 0}] * self.tasks)

    def _means(self, epoch: int) -> Doubles:
        sums = self._sums(epoch)
        means: Doubles = np.array([one["sum"] for one in sums]) / np.array([one["count"] for one in sums])
        return means

    def next(self, epoch: int, losses: Doubles, labelled: Bools, scalars: Mapping[str, float]) -> None:
        self.known[epoch] = [
            {"sum": one["sum"] + float(loss), "count": one["count"] + 1} if counts else one
            for one, loss, counts in zip(self._sums(epoch), losses, labelled, strict=True)
        ]
        self.known.pop(epoch - 3, None)


class _Graph(Weighting):
    """A weighting whose state a graph moves on, such as that of uncertainty."""

    def __init__(self, job: Job, given: Mapping[str, Any]) -> None:
        super().__init__(job)
        self.graph: GraphFile = parsed(GraphFile, given["graph"], "weighting.graph")
        self.run = load_graph(job, self.graph, 1)
        self.state = {one["name"]: np.array(one["first"], np.float32) for one in given["state"]}
        self.given = np.array(given["factors"], np.float64)
        self.count = 0

    def saved(self) -> Any:
        numbers = {name: array.astype(float).tolist() for name, array in self.state.items()}
        return {"values": numbers.pop("values"), "slots": {n.removeprefix(_SLOT): numbers[n] for n in numbers}} | {
            "count": self.count
        }

    def begin(self, saved: Any) -> None:
        numbers = {"values": saved["values"], **{_SLOT + name: array for name, array in saved["slots"].items()}}
        self.state = {name: np.array(array, np.float32) for name, array in numbers.items()}
        none = np.zeros(self.tasks)
        self.next(0, none, none > 0, dict.fromkeys((one.name for one in self.graph.reads("scalar")), 1.0))
        self.count = saved["count"]  # a step without labelled tasks moves nothing, and gives the factors

    def factors(self, epoch: int) -> Doubles:
        return self.given

    def next(self, epoch: int, losses: Doubles, labelled: Bools, scalars: Mapping[str, float]) -> None:
        given = {"losses": losses.astype(np.float32), "labelled": labelled.astype(np.float32)}
        by_name = {one.name: given[one.origin] for one in self.graph.inputs if one.origin in given}
        found = self.run({**{name: number(value) for name, value in scalars.items()}, **self.state, **by_name})
        self.state = {output.name: found[output.name] for output in self.graph.named("state")}
        self.given = found[self.graph.named("factors")[0].name].astype(np.float64)
        self.count += 1


_SLOT = "slot/"


def weighting_of(job: Job) -> Weighting:
    """The weighting of a job."""
    given = job.weighting
    if given is None:
        return Weighting(job)
    return _Dwa(job, float(given["temperature"])) if given["kind"] == "dwa" else _Graph(job, given)
`,
  "gatehouse_job/worker.py":
    `"""A worker: runs the graphs of a training on the rows of its lanes, and sums with the others."""

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
