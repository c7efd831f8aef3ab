"""Measures a sum of 300,000 numbers over workers, by gloo and by objects: python transports.py [WORKERS] [NUMBERS]."""

import statistics
import sys
import time
from typing import Any

import numpy as np
import ray
from clusters import cluster
from gatehouse_job.sums import Adder, by_collective, by_objects


class Member:
    """A worker that sums."""

    def run(self, rank: int, workers: int, adders: list[Any] | None, size: int) -> list[float]:
        """The seconds of each of 60 sums."""
        allreduce = by_collective(rank, workers, "measured") if adders is None else by_objects(rank, adders)
        array = np.random.default_rng(rank).normal(size=size).astype(np.float32)
        seconds = []
        for _ in range(60):
            start = time.perf_counter()
            allreduce(array.copy())
            seconds.append(time.perf_counter() - start)
        return seconds


def main() -> None:
    """Prints the median and the ninth decile of each transport, in milliseconds."""
    workers, size = (int(sys.argv[at]) if len(sys.argv) > at else one for at, one in ((1, 2), (2, 300_000)))
    with cluster(workers):
        members = [ray.remote(num_cpus=1)(Member).remote() for _ in range(workers)]
        for count in (None, 1, 2, 4):
            adders = None if count is None else [ray.remote(num_cpus=0)(Adder).remote(workers) for _ in range(count)]
            try:
                found = ray.get([one.run.remote(rank, workers, adders, size) for rank, one in enumerate(members)])
            except ray.exceptions.RayError as error:
                print(f"collective: SKIPPED, {str(error).splitlines()[-1]}")
                continue
            seconds = sorted(found[0][10:])
            name = "collective" if count is None else f"objects, {count} adders"
            decile = seconds[len(seconds) * 9 // 10]
            print(f"{name}: {statistics.median(seconds) * 1e3:.2f} ms, ninth decile {decile * 1e3:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
