"""Measures sums over workers, by gloo and by objects: python transports.py [WORKERS] [NUMBERS...]."""

import statistics
import sys
import time
from typing import Any

import numpy as np
import ray
from clusters import cluster
from gatehouse_job.mail import Mail
from gatehouse_job.sums import by_collective, by_objects


class Member:
    """A worker that sums."""

    def __init__(self) -> None:
        """Begins alone."""
        self.mail = Mail()

    def begin(self, rank: int, peers: list[Any]) -> None:
        """Takes its place among others."""
        self.mail = Mail(rank, peers)

    @ray.method(concurrency_group="mail")
    def put(self, sender: int, name: str, turn: int, *pieces: Any) -> None:
        """Keeps what another has sent."""
        self.mail.put(sender, name, turn, *pieces)

    def run(self, group: str | None, sizes: list[int]) -> list[list[float]]:
        """The seconds of 60 sums of each size."""
        mail = self.mail
        allreduce = by_objects(mail) if group is None else by_collective(mail.rank, mail.workers, group)
        seconds: list[list[float]] = []
        for size in sizes:
            array = np.random.default_rng(mail.rank).normal(size=size).astype(np.float32)
            seconds.append([])
            for _ in range(60):
                start = time.perf_counter()
                allreduce(array.copy())
                seconds[-1].append(time.perf_counter() - start)
        return seconds


def main() -> None:
    """Prints the median and the ninth decile of each transport and size, in milliseconds."""
    workers, *sizes = [int(word) for word in sys.argv[1:]] or [2]
    sizes = sizes or [1_000, 300_000, 3_000_000]
    with cluster(workers):
        member = ray.remote(num_cpus=1, concurrency_groups={"mail": 1})(Member)
        members = [member.remote() for _ in range(workers)]
        ray.get([one.begin.remote(rank, members) for rank, one in enumerate(members)])
        for name, group in (("collective", "measured"), ("objects", None)):
            try:
                found = ray.get([one.run.remote(group, sizes) for one in members])
            except ray.exceptions.RayError as error:
                print(f"{name}: SKIPPED, {str(error).splitlines()[-1]}")
                continue
            for size, all_seconds in zip(sizes, found[0], strict=True):
                seconds = sorted(all_seconds[10:])
                median, decile = statistics.median(seconds) * 1e3, seconds[len(seconds) * 9 // 10] * 1e3
                print(f"{name}, {size} numbers: {median:.2f} ms, ninth decile {decile:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
