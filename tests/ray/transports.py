"""Measures a sum of 300,000 numbers over workers, by gloo and by objects: python transports.py [WORKERS] [NUMBERS]."""

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

    def run(self, group: str | None, size: int) -> list[float]:
        """The seconds of each of 60 sums."""
        mail = self.mail
        allreduce = by_objects(mail) if group is None else by_collective(mail.rank, mail.workers, group)
        array = np.random.default_rng(mail.rank).normal(size=size).astype(np.float32)
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
        member = ray.remote(num_cpus=1, concurrency_groups={"mail": 1})(Member)
        members = [member.remote() for _ in range(workers)]
        ray.get([one.begin.remote(rank, members) for rank, one in enumerate(members)])
        for name, group in (("collective", "measured"), ("objects", None)):
            try:
                found = ray.get([one.run.remote(group, size) for one in members])
            except ray.exceptions.RayError as error:
                print(f"{name}: SKIPPED, {str(error).splitlines()[-1]}")
                continue
            seconds = sorted(found[0][10:])
            decile = seconds[len(seconds) * 9 // 10]
            print(f"{name}: {statistics.median(seconds) * 1e3:.2f} ms, ninth decile {decile * 1e3:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
