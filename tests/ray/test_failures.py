"""What can be wrong, and nodes that are lost: each is an error that names what to do, or is gone on from."""

import contextlib
import errno
import json
import os
import resource
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
from gatehouse_job import driver
from gatehouse_job.errors import Refusal
from gatehouse_job.main import _pickle_by_value
from gatehouse_job.tensors import read_tensors, write_tensors
from gatehouse_job.worker import Worker
from made_job import Made, change
from ray.cluster_utils import Cluster

PROGRAM = Path(__file__).parent.parent.parent / "lib/ray/program.py"


def error_of(said: list[dict[str, Any]]) -> str:
    """The whole text of the error that a run ends with."""
    return json.dumps(said[-1].get("error", f"no error: {said[-1]}"))


class Hungry(Worker):
    """A worker that takes more and more memory."""

    def run(self, count: int) -> dict[str, Any]:
        """Takes steps, and 1 GiB."""
        self.taken = [*getattr(self, "taken", []), np.ones(2**27)]
        time.sleep(0.5)
        return super().run(count)


class Limited(Worker):
    """A worker that has a limit of memory, and takes more."""

    def _step(self) -> dict[str, Any]:
        """Takes a step after much memory."""
        size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, size + 2**28))
        np.ones(2**30)
        return super()._step()


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

        def failing(number: int) -> Callable[[Path], Any]:
            facts = {"missing": [], "versions": {}, "failed": ("write", number)}
            return lambda storage: mock.patch.object(cluster_checks, "_look", lambda *_: facts)

        few = ["--workers", "4", "--patience", "4"]
        return [
            ("lanes", Made(), ["--workers", "5"], nothing, ["Cannot run 5 workers: the job has 4 lanes", "at most 4"]),
            ("cpus", Made(), few, nothing, ["Cannot start 4 workers of 1 CPUs", "the cluster has 2 CPUs", "--workers"]),
            ("rows", Made(), ["--workers", "2"], without_rows, ["Cannot read train.parquet", "No such file"]),
            ("old", Made(), [], old_ray, ["Cannot run on Ray 2.9.3: wanted 2.52 or newer", "pip install -U ray"]),
            ("missing", Made(), [], missing, ["it lacks onnxruntime", "pip install onnxruntime there"]),
            ("shared", Made(), [], not_shared, ["Cannot share the storage", "mounted on all nodes"]),
            ("full", Made(), [], failing(errno.ENOSPC), ["Cannot write the storage", "No space left", "make room"]),
            ("denied", Made(), [], failing(errno.EACCES), ["Permission denied", "let the user that Ray runs as"]),
            ("read only", Made(), [], failing(errno.EROFS), ["Read-only file system", "mount it for writing"]),
        ]

    def test_full_disk(self) -> None:
        """A disk that is full is said to be, by a node and by the driver."""
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False).returncode != 0:
            self.skipTest("SKIPPED: a full disk: root alone can mount one of its own")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=True)
        (disk / "token").write_text("token")
        with contextlib.suppress(OSError), (disk / "rest").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        self.assertEqual(cluster_checks._look(str(disk), "token", "node")["failed"], ("write", errno.ENOSPC))
        with self.assertRaises(Refusal) as caught:
            cluster_checks.check_nodes(disk, 1)
        self.assertIn("Cannot write to the storage: No space left", caught.exception.message)
        self.assertIn("make room there", caught.exception.remedy)
        self.assertEqual(cluster_checks._look("/nowhere", "token", "node")["failed"], ("read", errno.ENOENT))

    def test_not_finite(self) -> None:
        """Losses that are not finite end a training with step, task and remedy; no model is left."""
        storage = made(self.folder / "job", Made())
        path = storage / "job/arrays.safetensors"
        arrays = {name: np.array(array) for name, array in read_tensors(path).items()}
        path.unlink()
        write_tensors(path, {**arrays, "scalars/rate": arrays["scalars/rate"] * np.float32(1e5)}, {})
        change(storage / "job", "", "")
        with cluster(2):
            text = error_of(run(storage, "--workers", "2"))
        self.assertRegex(text, r"at step \d+ the (loss of task|gradient|sum of the) .*(is|are) (inf|nan)")
        self.assertIn("the step was not taken: try a smaller learning rate", text)
        self.assertFalse((storage / "model").exists())

    def test_rows_removed(self) -> None:
        """A file that is removed in mid-run is named; brought back, the same job goes on to the same bits."""
        job = Made(epochs=12)
        undisturbed, storage = made(self.folder / "undisturbed", job), made(self.folder / "removed", job)
        file, away = storage / "data/train.parquet", storage / "data/away.parquet"
        with cluster(2):
            run(undisturbed, "--workers", "2")
            running = Running(storage, "--workers", "2")
            running.until(lambda line: "loss" in line and line["step"] >= 25)
            file.rename(away)
            text = error_of(running.end())
            for part in (
                "Cannot read row group",
                "of train.parquet",
                "No such file",
                "goes on from its last checkpoint",
            ):
                self.assertIn(part, text)
            away.rename(file)
            said = run(storage, "--workers", "2")
            self.assertEqual((said[0]["event"], "model" in said[-1]), ("resumed", True))
            for name, array in parameters(undisturbed).items():
                np.testing.assert_array_equal(array, parameters(storage)[name])

    def test_memory(self) -> None:
        """Workers that take all memory are ended by Ray, and one that gets no more says so: with peak and remedy."""
        total, free = (float(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines()[:3:2])
        threshold = (total - free + 2 * 2**30) / total  # 2 GiB more than there are in use
        settings = {"memory_usage_threshold": threshold, "memory_monitor_refresh_ms": 100}
        with cluster(2, _system_config=settings), mock.patch.object(driver, "Worker", Hungry):
            text = error_of(run(made(self.folder / "taken", Made(every=1000)), "--records", "0"))
            self.assertIn("Cannot train: a node ran out of memory 3 times without a new checkpoint", text)
            self.assertRegex(text, r"a worker took at most \d{3,} MiB of memory")
            self.assertIn("give a smaller window or batch", text)
        with cluster(2), mock.patch.object(driver, "Worker", Limited):
            text = error_of(run(made(self.folder / "refused", Made())))
            self.assertIn("Cannot train: a worker ran out of memory", text)
            self.assertRegex(text, r"at step \d+, Unable to allocate .* a worker took at most \d{2,} MiB")
            self.assertIn("give a smaller window or batch", text)

    def test_other_job(self) -> None:
        """Checkpoints of another job are not gone on from, unless the run begins anew."""
        with cluster(2):
            storage = made(self.folder / "one", Made(epochs=1))
            run(storage)
            change(storage / "job", '"data": "made"', '"data": "other"')
            text = json.loads(error_of(run(storage)))["message"]
            self.assertIn('they are of another job: data: found "other", the checkpoint has "made"', text)
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
