"""Weightings of tasks' losses: factors of the next step, from the losses so far."""

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
