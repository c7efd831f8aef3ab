"""A cluster in this process, trainings on it, and what kills parts of them."""

import contextlib
import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from gatehouse_job import driver
from gatehouse_job.errors import Refusal
from gatehouse_job.main import _parser, _pickle_by_value
from gatehouse_job.tensors import read_tensors
from made_job import Made, write_job

Tensors = dict[str, npt.NDArray[Any]]


@contextlib.contextmanager
def cluster(cpus: int, **more: Any) -> Iterator[None]:
    """A cluster of one node, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        settings = {"include_dashboard": False, "log_to_driver": False, "object_store_memory": 200 * 2**20, **more}
        ray.init("local", num_cpus=cpus, _temp_dir=folder, **settings)  # apart from other clusters of the machine
        _pickle_by_value()
        try:
            yield
        finally:
            ray.shutdown()


def made(folder: Path, job: Made) -> Path:
    """Writes a job and its rows to a storage."""
    write_job(job, folder / "job", folder)
    return folder


def run(storage: Path, *options: str) -> list[dict[str, Any]]:
    """Runs the job of a storage to its end, and returns what it said."""
    return Running(storage, *options).end()


class Running:
    """A training that runs on a thread."""

    def __init__(self, storage: Path, *options: str) -> None:
        """Begins it."""
        self.output = io.StringIO()
        given = ["--job", str(storage / "job"), "--storage", str(storage), *options]
        self.options = _parser().parse_args(given)
        self.thread = threading.Thread(target=self._train)
        self.thread.start()

    def _train(self) -> None:
        try:
            with contextlib.redirect_stdout(self.output):
                driver.train(self.options)
        except Refusal as refusal:
            self.output.write(json.dumps(refusal.record()) + "\n")

    def said(self) -> list[dict[str, Any]]:
        """The lines so far."""
        return [json.loads(line) for line in self.output.getvalue().splitlines() if line.endswith("}")]

    def until(self, test: Callable[[dict[str, Any]], bool], seconds: float = 90) -> None:
        """Waits for a line."""
        end = time.monotonic() + seconds
        while not any(test(line) for line in self.said()):
            if time.monotonic() > end or not self.thread.is_alive():
                raise AssertionError(f"no such line: {self.said()[-3:]}")
            time.sleep(0.005)

    def end(self, seconds: float = 240) -> list[dict[str, Any]]:
        """Waits for its end, and returns all lines."""
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise AssertionError(f"it does not end: {self.said()[-3:]}")
        return self.said()


def parameters(storage: Path) -> Tensors:
    """All tensors of the model in a storage, those of shards by file."""
    model = storage / "model"
    found: Tensors = {}
    for path in sorted(model.glob("*.safetensors")):
        for name, array in read_tensors(path).items():
            found[f"{path.name}:{name}" if path.name.startswith("rows-") else name] = np.array(array)
    return found


def processes_of(name: str) -> list[int]:
    """The ids of the processes of an actor's class that this process, or one below it, has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_bytes().startswith(b"ray::" + name.encode()) and _is_below(int(entry.name)):
                found.append(int(entry.name))
    return sorted(found)


def left_of(*names: str) -> list[int]:
    """Those of some classes that are still there after half a minute: actors that are killed end a little later."""
    end = time.monotonic() + 30
    while (found := [one for name in names for one in processes_of(name)]) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _is_below(process: int) -> bool:
    while process > 1:
        if process == os.getpid():
            return True
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])
    return False
