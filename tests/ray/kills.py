"""Kills random workers of a training, and compares its end with that of one that is left alone.

python kills.py [KILLS] [SEED]: 100 kills of seed 1 unless other numbers are given.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from clusters import Running, cluster, made, parameters, processes_of, run
from made_job import Made


def main() -> None:
    """Prints how many were killed, and that no bit differs."""
    kills, seed = (int(sys.argv[at]) if len(sys.argv) > at else one for at, one in ((1, 100), (2, 1)))
    source = random.Random(seed)
    with cluster(2), tempfile.TemporaryDirectory() as folder:
        job = Made(epochs=max(6, kills), tables=True)
        alone, killed = made(Path(folder) / "alone", job), made(Path(folder) / "killed", job)
        run(alone, "--workers", "2", "--transport", "objects", "--records", "60")
        running = Running(killed, "--workers", "2", "--transport", "objects", "--records", "0.2")
        start, done = time.monotonic(), 0
        while done < kills and running.thread.is_alive():
            time.sleep(source.random())
            found = processes_of("Worker")
            moved = sum(1 for line in running.said() if "loss" in line)
            if not found or moved == 0:
                continue
            os.kill(source.choice(found), signal.SIGKILL)
            done += 1
            lost = done
            end = time.monotonic() + 120
            while time.monotonic() < end and running.thread.is_alive():
                said = running.said()
                places = [at for at, line in enumerate(said) if line.get("event") == "resumed"]
                if len(places) >= lost and any("loss" in line for line in said[places[-1] :]):
                    break
                time.sleep(0.05)
        said = running.end(1800)
        assert "model" in said[-1], said[-1]
        one, two = parameters(alone), parameters(killed)
        for name, array in one.items():
            np.testing.assert_array_equal(array, two[name])
        print(f"{done} kills in {time.monotonic() - start:.0f} s: the same bits as of a training that is left alone")


if __name__ == "__main__":
    main()
