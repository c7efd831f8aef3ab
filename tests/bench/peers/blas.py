"""What large float32 products reach in native libraries."""

import time
from typing import Callable

import numpy
import torch

# How long each library runs for one number, in seconds.
TIME = 0.4


def blas(size: int, threads: int) -> dict[str, float]:
    """Gflop/s of a [size, size] product: the best and the median run of the fastest library, and the best of each."""
    torch.set_num_threads(threads)
    found = {name: rates(size, run) for name, run in libraries(size).items()}
    best = max(found, key=lambda name: middle(found[name]))
    every = {name: max(some) for name, some in found.items()}
    return {"gflops": max(found[best]), "median": middle(found[best]), "library": best, "libraries": every}


def product(rows: int, inner: int, columns: int, threads: int) -> list[float]:
    """Milliseconds of every run of a [rows, inner] x [inner, columns] product by PyTorch."""
    torch.set_num_threads(threads)
    a, b, c = torch.rand(rows, inner), torch.rand(inner, columns), torch.empty(rows, columns)
    return [seconds * 1e3 for seconds in seconds_of(lambda: torch.mm(a, b, out=c))]


def libraries(size: int) -> dict[str, Callable[[], object]]:
    """Each library's product, which writes to memory of its own where it can.

    PyTorch's is MKL or what it was built with, numpy's is OpenBLAS or what it was built with; oneDNN is a part of
    PyTorch that its plain products do not use.
    """
    a, b, c = torch.rand(size, size), torch.rand(size, size), torch.empty(size, size)
    x, y, z = a.numpy(), b.numpy(), c.numpy()
    found = {"torch": lambda: torch.mm(a, b, out=c), "numpy": lambda: numpy.matmul(x, y, out=z)}
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        found["oneDNN"] = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return found


def rates(size: int, run: Callable[[], object]) -> list[float]:
    """Gflop/s of every run."""
    return [2 * size**3 / seconds / 1e9 for seconds in seconds_of(run)]


def seconds_of(run: Callable[[], object]) -> list[float]:
    """How long every run took, at least three, after one that is not counted."""
    run()
    found, until = [], time.perf_counter() + TIME
    while len(found) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return found


def middle(numbers: list[float]) -> float:
    """The middle one, the upper of two."""
    return sorted(numbers)[len(numbers) // 2]
