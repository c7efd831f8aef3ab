"""The cluster: what is checked before rows are read, each in words of what to do."""

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
            raise Refusal(f"Cannot reach nodes of the cluster within {patience:g} s", names, "look at `ray status`")
        found = {}
        for one in done:
            try:
                found[pending[one]] = ray.get(one)
            except ray.exceptions.RayError as error:
                raise Refusal(
                    f"Cannot run on a node: {type(error).__name__}", nodes[pending[one]], "see `ray logs`"
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


def lacking(wanted: int, cpus: int, patience: float, what: str) -> Refusal:
    """The error of resources that the cluster does not have."""
    total, free = ray.cluster_resources().get("CPU", 0), ray.available_resources().get("CPU", 0)
    return Refusal(
        f"Cannot start {wanted} {what} of {cpus} CPUs each within {patience:g} s: the cluster has {total:g} CPUs, "
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
