"""The driver: starts shards and workers, asks for steps, and begins again from the last checkpoint when one is lost."""

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
from .worker import Worker

SECONDS_OF_A_CALL = 0.5  # steps are asked for in calls of about this length
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
    team: list[ActorHandle] = []
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
        for actor in team:
            ray.kill(actor)


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
    run.workers = len(team)
    if late:
        say({"warning": f"there is room for {run.workers} of {wanted} workers: the training goes on with these"})


def _begin(run: Run, team: list[ActorHandle], checkpoint: str | None) -> None:
    """Brings all actors to the state after a step, once the rows that they will read were found to be there."""
    _all([actor.check.remote(rank, run.workers) for rank, actor in enumerate(team)])
    group = f"gatehouse-{uuid.uuid4().hex}" if run.transport == "collective" else None
    _all([actor.begin.remote(rank, team, group, checkpoint, run.step) for rank, actor in enumerate(team)])


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
    every = job.raw["checkpoint"]["every"] if job.raw.get("checkpoint") else {}
    stops = [job.steps, _next(run.step, job.steps_per_epoch)]
    stops += [_next(run.step, int(each)) for each in (every.get("steps"), job.raw["evaluate"].get("every")) if each]
    count = min(min(stops) - run.step, run.per_call)
    found = _all([actor.run.remote(count) for actor in team])
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


def _evaluated(run: Run, team: list[ActorHandle]) -> dict[str, Any]:
    found = _all([actor.evaluate.remote(rank, run.workers) for rank, actor in enumerate(team)])
    return judge(run.job, [piece for pieces in found for piece in pieces])


def _save(run: Run, team: list[ActorHandle]) -> None:
    job = run.job

    def write(folder: str) -> Files:
        found = _all([actor.write.remote(folder) for actor in team])
        return {name: facts for files in found for name, facts in files.items()}

    keep = int((job.raw.get("checkpoint") or {}).get("keep", 2))
    write_checkpoint(job, run.storage, run.step, job.rows_after(run.step), write, keep)
    run.losses, run.short, run.saved_at = 0, 0, time.monotonic()
