"""What is summed over workers, as one array."""

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
