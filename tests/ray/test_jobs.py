"""Jobs as TypeScript writes them: one worker gives what `train` gives, parameters and losses, and so do two."""

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np
from clusters import Tensors, cluster, run
from gatehouse_job.job import Job, read_job
from gatehouse_job.tensors import read_tensors
from gatehouse_job.worker import Worker

JOBS = Path(os.environ["GATEHOUSE_JOBS"])
TOLERANCE = 1e-5


def model_in(folder: Path, job: Job) -> Tensors:
    """The parameters of a model by path, tables put together."""
    dense = folder / ("params-00001-of-00001.safetensors" if job.tables else "params.safetensors")
    found = {name: np.array(array) for name, array in read_tensors(dense).items()}
    for table in job.tables:
        found[table.path] = np.zeros((table.rows, table.units), np.float32)
        for shard in range(job.shards):
            rows = read_tensors(folder / f"rows-{shard + 1:05}-of-{job.shards:05}.safetensors")[table.path]
            found[table.path][shard :: job.shards] = rows
    return found


class Jobs(unittest.TestCase):
    """Those of a folder."""

    def assert_same(self, found: Tensors, law: Path, losses: list[dict[str, float]]) -> None:
        """Makes sure that parameters are within 1e-5 of those expected, and losses equal to rounding."""
        wanted = read_tensors(law / "expected.safetensors")
        self.assertEqual(found.keys(), wanted.keys())
        for name, array in wanted.items():
            far = float(np.abs(found[name].reshape(array.shape) - array).max(initial=0))
            self.assertLessEqual(far, TOLERANCE, f"{law.name}: {name}")
        expected = json.loads((law / "expected.json").read_text())
        self.assertEqual(len(losses), len(expected))
        for step, (loss, one) in enumerate(zip(losses, expected, strict=True), 1):
            for task, value in one.items():
                self.assertLessEqual(abs(loss[task] - value), 1e-4 * max(1, abs(value)), f"{law.name}: step {step}")

    def test_dense(self) -> None:
        """A worker without a cluster gives what `train` gives."""
        laws = [law for law in sorted(JOBS.iterdir()) if not read_job(law / "lanes-1/job").tables]
        self.assertGreaterEqual(len(laws), 3)
        for law in laws:
            with self.subTest(law.name), tempfile.TemporaryDirectory() as folder:
                worker = Worker(str(law / "lanes-1/job"), str(law / "lanes-1"), 1)
                worker.check(0, 1)
                worker.begin()
                records = worker.run(worker.job.steps)["records"]
                worker.write(folder)
                self.assert_same(model_in(Path(folder), worker.job), law, [record["loss"] for record in records])

    def test_vectors(self) -> None:
        """On a cluster a job with tables of vectors gives what `train` gives, and two workers what one gives."""
        laws = [law for law in sorted(JOBS.iterdir()) if read_job(law / "lanes-1/job").tables]
        self.assertGreaterEqual(len(laws), 1)
        with cluster(2), tempfile.TemporaryDirectory() as folder:
            for law in laws:
                models = []
                for lanes, workers in ((1, 1), (4, 1), (4, 2)):
                    storage = Path(folder) / f"{law.name}-{lanes}-{workers}"
                    shutil.copytree(law / f"lanes-{lanes}", storage)
                    said = run(storage, "--workers", str(workers))
                    self.assertIn("model", said[-1], said[-1])
                    models.append(model_in(storage / "model", read_job(storage / "job")))
                    if lanes == 1:
                        self.assert_same(models[0], law, [line["loss"] for line in said if "loss" in line])
                for name, array in models[1].items():
                    self.assertLessEqual(float(np.abs(array - models[2][name]).max(initial=0)), TOLERANCE, name)


if __name__ == "__main__":
    unittest.main()
