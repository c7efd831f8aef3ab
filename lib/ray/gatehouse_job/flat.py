"""The parameters and what training keeps beside them: flat arrays, which checkpoints have cut, one for each path."""

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
