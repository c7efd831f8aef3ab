"""Checkpoints and the model at the end: folders that are written whole, then renamed."""

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
