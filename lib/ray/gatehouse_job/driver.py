"""The driver: starts shards and workers, asks for steps, and begins again from the last checkpoint when one is lost."""

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
