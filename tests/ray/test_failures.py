"""What can be wrong, and nodes that are lost: each is an error that names what to do, or is gone on from."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import ray
from clusters import Running, cluster, left_of, made, parameters, run
from gatehouse_job import cluster as cluster_checks
from gatehouse_job.main import _pickle_by_value
from made_job import Made, change
from ray.cluster_utils import Cluster

PROGRAM = Path(__file__).parent.parent.parent / "lib/ray/program.py"


def error_of(said: list[dict[str, Any]]) -> str:
    """The whole text of the error that a run ends with."""
    return json.dumps(said[-1].get("error", f"no error: {said[-1]}"))


class Refusals(unittest.TestCase):
    """On a cluster of two CPUs."""

    def setUp(self) -> None:
        """Makes a folder."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_refusals(self) -> None:
        """Each mistake is said within seconds, before a step is taken, and no checkpoint or model is left."""
        with cluster(2):
            for name, job, options, change, wanted in self._cases():
                storage = made(self.folder / name, job)
                with change(storage):
                    start = time.monotonic()
                    said = run(storage, *options)
                    self.assertLess(time.monotonic() - start, 60, name)
                text = error_of(said)
                for part in wanted:
                    self.assertIn(part, text, name)
                self.assertFalse([line for line in said if "loss" in line], name)
                self.assertFalse((storage / "model").exists(), name)
                self.assertFalse([path for path in storage.iterdir() if path.name.startswith(".")], name)
            self.assertEqual(left_of("Worker"), [])

    def _cases(self) -> list[tuple[str, Made, list[str], Callable[[Path], Any], list[str]]]:
        def nothing(storage: Path) -> Any:
            return contextlib.nullcontext()

        def without_rows(storage: Path) -> Any:
            (storage / "data/train.parquet").unlink()
            return contextlib.nullcontext()

        def old_ray(storage: Path) -> Any:
            return mock.patch.object(ray, "__version__", "2.9.3")

        def missing(storage: Path) -> Any:
            facts = {"missing": ["onnxruntime"], "versions": {}, "failed": None}
            return mock.patch.object(cluster_checks, "_look", lambda *_: facts)

        def not_shared(storage: Path) -> Any:
            facts = {"missing": [], "versions": {}, "failed": ("read", errno.ENOENT)}
            return mock.patch.object(cluster_checks, "_look", lambda *_: facts)

        few = ["--workers", "4", "--patience", "4"]
        return [
            ("lanes", Made(), ["--workers", "5"], nothing, ["Cannot run 5 workers: the job has 4 lanes", "at most 4"]),
            ("cpus", Made(), few, nothing, ["Cannot start 4 workers of 1 CPUs", "the cluster has 2 CPUs", "--workers"]),
            ("rows", Made(), ["--workers", "2"], without_rows, ["Cannot read train.parquet", "No such file"]),
            ("old", Made(), [], old_ray, ["Cannot run on Ray 2.9.3: wanted 2.52 or newer", "pip install -U ray"]),
            ("missing", Made(), [], missing, ["it lacks onnxruntime", "pip install onnxruntime there"]),
            ("shared", Made(), [], not_shared, ["Cannot share the storage", "mounted on all nodes"]),
        ]

    def test_other_job(self) -> None:
        """Checkpoints of another job are not gone on from, unless the run begins anew."""
        with cluster(2):
            storage = made(self.folder / "one", Made(epochs=1))
            run(storage)
            change(storage / "job", '"data": "made"', '"data": "other"')
            text = json.loads(error_of(run(storage)))["message"]
            self.assertIn('they are of another job: data: found "other", the checkpoint of step 35 has "made"', text)
            self.assertIn("model", run(storage, "--fresh")[-1])


class Nodes(unittest.TestCase):
    """On a cluster of two nodes, or whose driver is killed."""

    def setUp(self) -> None:
        """Makes a folder."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_node_lost(self) -> None:
        """A node that is lost for good leaves fewer workers, which give the same parameters to rounding."""
        job = Made(epochs=8, tables=True)
        settings = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        head = {**settings, "include_dashboard": False, "temp_dir": folder}
        nodes = Cluster(initialize_head=True, head_node_args=head)
        try:
            other = nodes.add_node(**settings, temp_dir=folder)
            ray.init(address=nodes.address, log_to_driver=False)
            _pickle_by_value()
            undisturbed, lost = made(self.folder / "undisturbed", job), made(self.folder / "lost", job)
            run(undisturbed, "--workers", "4", "--transport", "objects")
            options = ["--workers", "4", "--transport", "objects", "--patience", "10"]
            running = Running(lost, *options)
            running.until(lambda line: "loss" in line and line["step"] >= 25)
            nodes.remove_node(other, allow_graceful=False)
            said = running.end()
            self.assertIn("model", said[-1], said[-1])
            self.assertIn("there is room for 2 of 4 workers", json.dumps(said))
            one, two = parameters(undisturbed), parameters(lost)
            self.assertLess(max(float(np.abs(one[name] - two[name]).max(initial=0)) for name in one), 1e-5)
        finally:
            ray.shutdown()
            nodes.shutdown()

    def test_driver_restarted(self) -> None:
        """A driver that is killed leaves no actor; the next one goes on from the last checkpoint to the same bits."""
        job = Made(epochs=6, tables=True)
        undisturbed, storage = made(self.folder / "undisturbed", job), made(self.folder / "killed", job)
        with cluster(2):
            run(undisturbed, "--workers", "2")
            address = ray.get_runtime_context().gcs_address
            command = [sys.executable, str(PROGRAM), "--address", address, "--workers", "2"]
            command += ["--job", str(storage / "job"), "--storage", str(storage)]
            for number, how in enumerate((signal.SIGKILL, signal.SIGTERM)):
                with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
                    assert driver.stdout is not None
                    for line in driver.stdout:
                        if json.loads(line).get("step", 0) >= 25 + 60 * number:
                            break
                    os.kill(driver.pid, how)
                    driver.stdout.read()
                self.assertNotEqual(driver.returncode, 0)
                self.assertEqual(left_of("Worker"), [])
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            said = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual((done.returncode, said[0]["event"]), (0, "resumed"), done.stderr[-2000:])
            self.assertGreaterEqual(said[0]["step"], 80)
            one, two = parameters(undisturbed), parameters(storage)
            for name in one:
                np.testing.assert_array_equal(one[name], two[name])

    def test_no_cluster(self) -> None:
        """An address at which there is no cluster is an error on the last line, and so is an unknown check."""
        command = [sys.executable, str(PROGRAM), "--address", "127.0.0.1:9", "--storage", str(self.folder), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Cannot reach Ray", json.loads(done.stdout.splitlines()[-1])["error"]["message"])


if __name__ == "__main__":
    unittest.main()
