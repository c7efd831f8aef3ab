"""Laws of the program on one cluster: as many workers as one likes, whatever is killed, give the same parameters."""

import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

import numpy as np
from clusters import Running, Tensors, cluster, left_of, made, parameters, processes_of, run
from made_job import Made


def distance(one: Tensors, other: Tensors) -> float:
    """The largest difference of two models."""
    assert one.keys() == other.keys(), (one.keys(), other.keys())
    return max(float(np.abs(one[name] - other[name]).max(initial=0)) for name in one)


class Laws(unittest.TestCase):
    """On a cluster of four CPUs."""

    @classmethod
    def setUpClass(cls) -> None:
        """Starts the cluster, and trains what others are compared with."""
        cls.cluster = cluster(4)  # type: ignore[attr-defined]
        cls.cluster.__enter__()  # type: ignore[attr-defined]
        cls.folder = Path(tempfile.mkdtemp())

    @classmethod
    def tearDownClass(cls) -> None:
        """Ends the cluster."""
        cls.cluster.__exit__(None, None, None)  # type: ignore[attr-defined]
        shutil.rmtree(cls.folder)

    folder: Path

    def storage(self, name: str, job: Made) -> Path:
        """A new storage with a job."""
        return made(self.folder / f"{self.id()}-{name}", job)

    def test_workers(self) -> None:
        """1, 2 and 4 workers give the same parameters within 1e-5 after 200 steps, and the same losses."""
        for job in (Made(epochs=6), Made(epochs=6, tables=True, clip=0.5, apart=True)):
            models, losses, metrics = {}, {}, {}
            for workers in (1, 2, 4):
                storage = self.storage(f"{workers}-{job.tables}-{job.apart}", job)
                said = run(storage, "--workers", str(workers))
                self.assertIn("model", said[-1], said[-1])
                records = [line for line in said if "loss" in line]
                self.assertGreaterEqual(len(records), 200)
                models[workers] = parameters(storage)
                losses[workers] = np.array([list(record["loss"].values()) for record in records])
                metrics[workers] = [
                    record["validation"]["metrics"]["a"]["auc"] for record in records if "validation" in record
                ]
            for workers in (2, 4):
                self.assertLess(distance(models[1], models[workers]), 1e-5)
                self.assertLess(float(np.abs(losses[1] - losses[workers]).max()), 1e-5)
                self.assertEqual(len(metrics[workers]), 6)
                np.testing.assert_allclose(metrics[1], metrics[workers], atol=1e-4)

    def test_shards(self) -> None:
        """The number of shards changes no vector but by rounding."""
        found = {}
        for shards in (1, 3):
            storage = self.storage(str(shards), Made(tables=True, shards=shards, lanes=2))
            run(storage, "--workers", "2")
            model = parameters(storage)
            rows = np.zeros((50, 2), np.float32)
            for shard in range(shards):
                rows[shard::shards] = model[f"rows-{shard + 1:05}-of-{shards:05}.safetensors:ids/vectors"]
            found[shards] = rows
        self.assertLess(float(np.abs(found[1] - found[3]).max()), 1e-5)

    def test_transports(self) -> None:
        """Sums by collectives and by objects give the same parameters within 1e-5."""
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("SKIPPED: sums by collectives need torch")
        models = []
        for transport in ("collective", "objects"):
            storage = self.storage(transport, Made(epochs=6))
            run(storage, "--workers", "4", "--transport", transport)
            models.append(parameters(storage))
        self.assertLess(distance(*models), 1e-5)

    def test_kills(self) -> None:
        """A worker that is killed in mid-epoch, the first or the last, changes not a bit."""
        job = Made(epochs=6, tables=True)
        for transport in ("objects", "collective"):
            undisturbed = self.storage(f"{transport}-undisturbed", job)
            if "model" not in run(undisturbed, "--workers", "2", "--transport", transport)[-1]:
                continue  # no torch
            for rank in (0, -1):
                storage = self.storage(f"{transport}-{rank}", job)
                running = Running(storage, "--workers", "2", "--transport", transport)
                running.until(lambda line: line.get("step", 0) >= 25 and "loss" in line)
                os.kill(processes_of("Worker")[rank], signal.SIGKILL)
                said = running.end()
                self.assertIn("model", said[-1], said[-1])
                self.assertTrue([line for line in said if line.get("event") == "worker lost"])
                self.assertTrue([line for line in said if line.get("event") == "resumed"])
                self.assertEqual(distance(parameters(undisturbed), parameters(storage)), 0)
        self.assertEqual(left_of("Worker"), [])

    def test_damage(self) -> None:
        """A damaged checkpoint is passed over, with a warning, and the one before it gives the same end."""
        job = Made(epochs=2, tables=True)
        storage = self.storage("", job)
        run(storage, "--workers", "2")
        whole = parameters(storage)
        newest = sorted((storage / "checkpoints").iterdir())[-1]
        with (newest / "rows-00002-of-00002.safetensors").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x7f")
        said = run(storage, "--workers", "2")
        self.assertIn("rows-00002-of-00002.safetensors is damaged", said[0]["warning"])
        self.assertIn("model", said[-1])
        self.assertEqual(distance(whole, parameters(storage)), 0)


if __name__ == "__main__":
    unittest.main()
