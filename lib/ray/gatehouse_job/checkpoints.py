"""Checkpoints in the form of those of one machine, with files more for each shard, and the model at the end."""

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
    return text_of({"sha256": digest, "checkpoint": checkpoint}, "") + "\n"


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
