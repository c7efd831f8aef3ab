"""Weightings of tasks' losses: factors of the next step, from the losses so far."""

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
