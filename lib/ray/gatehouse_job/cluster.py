"""The cluster: what is checked before rows are read, each in words of what to do."""

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
        raise Refusal(f"Cannot reach nodes of the cluster within {patience:g} s", names, "look at `ray status`")
    found = {}
    for one in done:
        try:
            found[pending[one]] = ray.get(one)
        except ray.exceptions.RayError as error:
            what = f"Cannot run on a node: {type(error).__name__}"
            raise Refusal(what, nodes[pending[one]], "see `ray logs`") from error
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
