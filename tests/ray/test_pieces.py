"""The pieces of the program, each against its rule: no cluster is started."""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import unittest
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from gatehouse_job import driver, main
from gatehouse_job.checkpoints import _rows, newest_checkpoint, write_checkpoint, write_model
from gatehouse_job.errors import Refusal
from gatehouse_job.javascript import text_of
from gatehouse_job.job import GraphFile, Label, Lookup, Part, Task, VectorTable, read_job
from gatehouse_job.judging import _metrics, auc
from gatehouse_job.mail import Mail
from gatehouse_job.rows import check_groups, lane_batches
from gatehouse_job.tensors import read_tensors, write_tensors
from gatehouse_job.threefry import drawn, drawn_at, key_of, permutation, words_of
from gatehouse_job.vectors import Tables
from gatehouse_job.worker import Worker, _wrong
from made_job import Made, change, columns_of, write_job
from ray.exceptions import OutOfMemoryError

sys.path.append(str(Path(__file__).parent.parent))

import random_numbers as rule

Array = npt.NDArray[Any]


def _looked_up(
    parts: Sequence[Part], whole: dict[str, Array], runs: list[dict[str, Array]], gradients: list[Array]
) -> tuple[list[Array], dict[str, Array]]:
    """The lookups of runs, and the sums of gradients of all vectors, one code after the other."""
    inputs = [np.zeros_like(gradient) for gradient in gradients]
    totals = {path: np.zeros_like(array) for path, array in whole.items()}
    for run, found, gradient in zip(runs, inputs, gradients, strict=True):
        start = 0
        for part in parts:
            own = slice(start, start + part.units)
            start += part.units
            for column, at in enumerate(part.columns):
                for row, code in enumerate(run["codes"][:, at] - part.first):
                    if 0 <= code < len(whole[part.table]):
                        weight = run["weights"][row, part.weights_from + column] if part.weights else 1
                        found[row, own] += whole[part.table][code] * weight
                        totals[part.table][code] += gradient[row, own] * weight
    return inputs, totals


class Pieces(unittest.TestCase):
    """Random numbers, rows, metrics, files."""

    def setUp(self) -> None:
        """Makes a folder."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_random(self) -> None:
        """Words, permutations and distributions are those of the written rule, from any place on."""
        np.seterr(over="ignore")
        for seed in ("7", "7:order:1:0", "\u00e9\U0001f600"):
            self.assertEqual(words_of(key_of(seed), 5, 40).tolist(), rule.words_of(seed, 5, 40).tolist())
            self.assertEqual(permutation(300, seed).tolist(), rule.permutation(seed, 300))
            key, elements = key_of(seed), np.arange(101)[None]
            keys = np.array([key], np.uint32)
            for at in (0, 3, 8):
                uniform = np.float32(rule.filled(seed, 101)[at:])
                np.testing.assert_array_equal(drawn(key, at, 101 - at, "uniform", 1), uniform)
                normal = rule.normals(seed, 101)[at:]
                np.testing.assert_allclose(drawn(key, at, 101 - at, "normal", 1), normal, rtol=1e-6, atol=1e-7)
            for spread in ("uniform", "normal", "around 0"):
                whole = drawn(key, 0, 101, spread, 0.5)
                np.testing.assert_array_equal(drawn_at(keys, elements, spread, 0.5)[0], whole)

    def test_rows(self) -> None:
        """Each lane reads each of its rows once an epoch, in another order; a later step begins as if before."""
        write_job(Made(rows=1003, lanes=3, batch=30, window=100), self.folder / "job", self.folder)
        job = read_job(self.folder / "job")
        columns = columns_of(1003, 1)
        seen = []
        for lane in range(3):
            batches = list(lane_batches(job, self.folder / "data", lane, 1))
            self.assertEqual(len(batches), job.steps)
            for step in (1, 2, 13, *range(job.steps_per_epoch - 3, job.steps + 1, 2)):
                again = list(lane_batches(job, self.folder / "data", lane, step))
                self.assertEqual(len(again), job.steps - step + 1)
                for found, expected in zip(again, batches[step - 1 :], strict=True):
                    self.assertEqual(found is None, expected is None)
                    if found is not None and expected is not None:
                        np.testing.assert_array_equal(found["x"], expected["x"])
            epochs = [batches[: job.steps_per_epoch], batches[job.steps_per_epoch :]]
            first, second = (np.concatenate([rows["x"] for rows in epoch if rows is not None]) for epoch in epochs)
            self.assertFalse((first == second).all())
            self.assertEqual(sorted(map(tuple, first)), sorted(map(tuple, second)))
            seen += list(map(tuple, first))
        self.assertEqual(sorted(seen), sorted(map(tuple, columns["x"])))

    def test_auc(self) -> None:
        """The share of pairs in the right order, ties counting half, by weight."""
        random = np.random.default_rng(0)
        for count in (2, 50):
            scores = random.integers(0, 9, count).astype(np.float64)
            labels = np.concatenate([[0, 1], random.integers(0, 2, count - 2)]).astype(np.float64)
            weights = random.random(count)
            wins = pairs = 0.0
            for i in np.flatnonzero(labels == 1):
                for j in np.flatnonzero(labels == 0):
                    pair = weights[i] * weights[j]
                    pairs += pair
                    wins += pair * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
            self.assertAlmostEqual(auc(scores, labels, weights), wins / pairs, 12)
        self.assertTrue(np.isnan(auc(np.ones(3), np.ones(3), np.ones(3))))
        self.assertTrue(np.isnan(auc(np.ones(0), np.ones(0), np.ones(0))))

    def test_accuracy(self) -> None:
        """Of classes the largest prediction counts, of two the one above a half; rows without weight do not."""
        label, weight = np.array([0, 2, 1, 1], np.float32), np.array([1, 1, 2, 0], np.float32)
        classes = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.9, 0.1, 0]], np.float32)
        for kind, predictions, labels, wanted in (
            ("categoricalAccuracy", classes, label, 3 / 4),
            ("accuracy", classes[:, 0], (label == 0).astype(np.float32), 1),
        ):
            task = Task("kind", 1, Label(0, 1), {"accuracy": {"kind": kind, "of": "predictions"}})
            held = {"prediction": predictions, "logits": predictions, "label": labels, "weight": weight}
            self.assertEqual(_metrics(task, 0.5, held), {"accuracy": wanted})

    def test_vectors(self) -> None:
        """Lookups and sums of gradients are those of plain loops, however rows are cut over shards and workers."""
        random = np.random.default_rng(0)
        rule, sizes = GraphFile("rule.onnx", (), ()), {"a": (7, 2), "b": (5, 2), "c": (4, 3), "d": (3, 2)}
        table = partial(VectorTable, state=0, initial=0, first={}, rate=None)
        tables = [table(path, *size, update=None if path == "d" else rule) for path, size in sizes.items()]
        part = partial(Part, codes="codes", first=1, weights=None, weights_from=0)
        parts = (
            part(table="a", units=2, columns=(0,)),
            part(table="b", units=2, columns=(1, 2), weights="weights", weights_from=1),
            part(table="c", units=3, columns=(0, 1)),
            part(table="a", units=2, columns=(3,)),
            part(table="d", units=2, columns=(2,)),
        )
        whole = {path: random.normal(size=size).astype(np.float32) for path, size in sizes.items()}
        runs = [{"codes": random.integers(0, 9, (size, 4)), "weights": random.random((size, 3))} for size in (6, 3)]
        gradients = [random.normal(size=(size, 11)).astype(np.float32) for size in (6, 3)]
        inputs, totals = _looked_up(parts, whole, runs, gradients)
        for shards, workers in ((1, 1), (3, 1), (3, 2), (2, 3)):
            found = Tables(argparse.Namespace(tables=tables, shards=shards, lookups=[Lookup("x", parts)]), workers)
            places = {
                one.path: (pool, pool.addresses(np.array([at]), np.arange(one.rows)[:, None])[:, 0])
                for pool in found.pools
                for at, one in enumerate(pool.tables)
            }
            held = {pool: np.zeros((pool.size, pool.units), np.float32) for pool in found.pools}
            for path, (pool, own) in places.items():
                held[pool][own] = whole[path]
            wanted = found.wanted(runs)
            sent = [
                [
                    held[pool][own + pool.bounds[at]]
                    for pool, own in zip(found.pools, found.places(wanted, at), strict=True)
                ]
                for at in range(workers)
            ]
            vectors = found.whole(sent)
            sums = [np.zeros_like(one) for one in vectors]
            for run, own, gradient, expected in zip(runs, wanted.places, gradients, inputs, strict=True):
                np.testing.assert_allclose(found.inputs(vectors, own, run)["x"], expected, atol=1e-6)
                found.add(sums, own, run, {"gradient/x": gradient})
            for path, (pool, own) in places.items():
                at = found.pools.index(pool)
                dense = np.zeros((pool.size + 1, pool.units))
                dense[wanted.addresses[at]] = sums[at]
                np.testing.assert_allclose(dense[own], totals[path] if path != "d" else 0 * totals[path], atol=1e-5)

    def test_mail(self) -> None:
        """A value comes as it was sent, whether a call carries it in pieces or whole."""
        got = Mail(1, (None, None))

        class Peer:
            """What a handle of an actor is to its caller."""

            put = argparse.Namespace(remote=got.put)

        for turn, size in enumerate((3, 50_000, 300_000)):
            array = np.arange(size, dtype=np.float32)
            Mail(0, (None, Peer())).send("numbers", turn, [None, [array]])  # type: ignore[arg-type]
            got.put(1, "numbers", turn, [array])
            for [one] in got.take("numbers", turn):
                np.testing.assert_array_equal(one, array)

    def test_tensors(self) -> None:
        """A file of tensors is read as it was written."""
        tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 4), np.float32)}
        tensors |= {"number": np.array(3, np.float64), "codes": np.array([1, -2], np.int32)}
        write_tensors(self.folder / "x", tensors, {"mark": "text"})
        for name, array in read_tensors(self.folder / "x").items():
            np.testing.assert_array_equal(array, tensors[name])
            self.assertEqual((array.dtype, array.shape), (tensors[name].dtype, tensors[name].shape))

    def test_changed_rows(self) -> None:
        """Files that are not what the job was written for are named, with their row group or column."""
        write_job(Made(), self.folder / "job", self.folder)
        job = read_job(self.folder / "job")
        data = self.folder / "data"
        check_groups(job, data, list(job.data.train.groups))
        (data / "validation.parquet").write_bytes(b"PAR1")
        with self.assertRaisesRegex(Refusal, "Cannot read validation.parquet"):
            check_groups(job, data, list(job.validation))
        other = self.folder / "other"
        write_job(Made(rows=900), other / "job", other)
        with self.assertRaisesRegex(Refusal, "Cannot read row group 15 of train.parquet: found 0 rows, wanted 60"):
            check_groups(job, other / "data", list(job.data.train.groups))
        change(self.folder / "job", '"column": "x"', '"column": "y"')
        with self.assertRaisesRegex(Refusal, "Cannot read column 'y' of train.parquet: found no such column"):
            check_groups(read_job(self.folder / "job"), data, list(job.data.train.groups))

    def test_not_finite(self) -> None:
        """A step whose loss is not finite is not taken, and its error names task, step and remedy."""
        write_job(Made(), self.folder / "job", self.folder)
        worker = Worker(str(self.folder / "job"), str(self.folder), 1)
        worker.check(0, 1)
        worker.begin()
        worker.run(3)
        worker.state["parameters"] = worker.state["parameters"] * np.float32(1e30)
        before = worker.state["parameters"].copy()
        with self.assertRaises(Refusal) as caught:
            worker.run(1)
        self.assertIn("at step 4 the loss of task 'a' is inf", caught.exception.message)
        self.assertIn("the step was not taken", caught.exception.remedy)
        np.testing.assert_array_equal(worker.state["parameters"], before)

    def test_negative(self) -> None:
        """A negative loss is refused where a weighting cannot take it, which is named as its user knows it."""
        weighting = {"kind": "graph", "name": "uncertainty"}
        write_job(Made(weighting=weighting), self.folder / "job", self.folder)
        job = read_job(self.folder / "job")
        reported = {"loss": {"a": -1.0}, "auxiliary": {}, "total": -1.0}
        self.assertIn("the weighting uncertainty needs losses of at least 0", str(_wrong(reported, job)))

    def test_model(self) -> None:
        """A model takes the place of the one before; what a run that was killed has left beside it goes."""
        for left in (".model-1", ".model-before-2", "model"):
            (self.folder / left).mkdir()
            (self.folder / left / "old").touch()
        checkpoint = self.folder / "checkpoints" / "000000001"
        checkpoint.mkdir(parents=True)
        for name in ("spec.json", "training.safetensors", "checkpoint.json"):
            (checkpoint / name).touch()
        model = write_model(checkpoint, self.folder)
        self.assertEqual([path.name for path in model.iterdir()], ["spec.json"])
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["checkpoints", "model"])

    def test_out_of_memory(self) -> None:
        """A process that is ended for lack of memory again and again is an error with the peak and the remedy."""
        write_job(Made(), self.folder / "job", self.folder)
        run = driver.Run(read_job(self.folder / "job"), self.folder, argparse.Namespace(), "objects", peak=3 * 2**20)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            for _ in range(driver.MOST_SHORT):
                driver._lost(run, OutOfMemoryError("the node has 99% of its memory in use"))
            with self.assertRaises(Refusal) as caught:
                driver._lost(run, OutOfMemoryError("the node has 99% of its memory in use"))
        self.assertEqual(json.loads(output.getvalue().splitlines()[0])["event"], "worker lost")
        self.assertIn("a node ran out of memory 3 times", caught.exception.message)
        self.assertIn("a worker took at most 3 MiB", caught.exception.where)
        self.assertIn("smaller window", caught.exception.remedy)

    def test_model_not_written(self) -> None:
        """A model that cannot be written leaves that before it and nothing else; the next removes what others left."""
        checkpoint, storage = self.folder / "checkpoint", self.folder / "storage"
        for folder in (checkpoint, storage / "model", storage / ".model-of-a-run-that-was-killed"):
            folder.mkdir(parents=True)
        (storage / "model/old.json").write_text("{}")
        (checkpoint / "spec.json").symlink_to("nowhere")
        with self.assertRaisesRegex(OSError, "No such file"):
            write_model(checkpoint, storage)
        self.assertEqual([path.name for path in (storage / "model").iterdir()], ["old.json"])
        self.assertEqual(len(list(storage.iterdir())), 2)
        (checkpoint / "spec.json").unlink()
        (checkpoint / "spec.json").write_text("{}")
        self.assertEqual([path.name for path in write_model(checkpoint, storage).iterdir()], ["spec.json"])
        self.assertEqual([path.name for path in storage.iterdir()], ["model"])

    def test_kept_checkpoints(self) -> None:
        """A new checkpoint stays though one of a later step was passed over, and so does what one that stays needs."""
        write_job(Made(), self.folder / "job", self.folder)
        job, checkpoints = read_job(self.folder / "job"), self.folder / "storage/checkpoints"
        job.raw["checkpoint"]["keep"] = 2
        of_changes = json.dumps({"checkpoint": {"base": {"folder": "step-00000001"}}})
        for step, text in ((1, "{}"), (2, "{}"), (3, of_changes), (9, "damaged"), ("\u00b2", "of another program")):
            folder = checkpoints / f"step-{step:0>8}"
            folder.mkdir(parents=True)
            (folder / "checkpoint.json").write_text(text)
        found = write_checkpoint(job, self.folder / "storage", 4, False, lambda _: ([], None, {}))
        names = sorted(path.name for path in checkpoints.iterdir())
        self.assertEqual(found.name, "step-00000004")
        self.assertEqual(names, ["step-00000001", "step-00000003", "step-00000004", "step-0000000\u00b2"])

    def test_no_checkpoint_whole(self) -> None:
        """A storage whose checkpoints are all damaged is refused, for a job that began anew would remove them."""
        write_job(Made(), self.folder / "job", self.folder)
        job, said = read_job(self.folder / "job"), list[str]()
        self.assertIsNone(newest_checkpoint(job, self.folder, said.append))
        first, second = (
            write_checkpoint(job, self.folder, step, False, lambda _: ([], None, {})) / "checkpoint.json"
            for step in (1, 2)
        )
        second.write_text("{}")
        found = newest_checkpoint(job, self.folder, said.append)
        self.assertEqual(found and found.path, first.parent)
        self.assertIn("step-00000002 was passed over", said[0])
        self.assertIn("step-00000001 is taken", said[0])
        first.unlink()
        with self.assertRaises(Refusal) as caught:
            newest_checkpoint(job, self.folder, said.append)
        self.assertIn("none is whole: step-00000002: checkpoint.json is damaged", caught.exception.message)
        self.assertIn("step-00000001: checkpoint.json is damaged or missing", caught.exception.message)
        self.assertEqual(caught.exception.where, str(self.folder / "checkpoints"))
        self.assertIn("--fresh", caught.exception.remedy)
        self.assertEqual(len(said), 1)

    def test_sent(self) -> None:
        """The program can be sent to nodes that do not have it."""
        main._pickle_by_value()
        text = ray.cloudpickle.dumps(Worker)
        self.assertIn(b"__init__", text)
        self.assertGreater(len(text), 1000)

    def test_flipped(self) -> None:
        """A byte that is flipped in any file that a job names, or in the job, is found, and the file is named."""
        write_job(Made(tables=True), self.folder / "job", self.folder)
        job = read_job(self.folder / "job")
        paths = [*(job.folder / name for name in job.files), *(self.folder / "data").iterdir()]
        self.assertGreaterEqual(len(paths), 9)

        def read() -> None:
            worker = Worker(str(self.folder / "job"), str(self.folder), 1)
            worker.check(0, 1)
            worker.begin()
            for name in worker.job.raw["model"]["files"]:
                worker.job.file(name)

        read()
        for path in [*paths, job.folder / "job.json"]:
            whole = path.read_bytes()
            for place in (len(whole) // 2, -1):
                flipped = bytearray(whole)
                flipped[place] ^= 1
                path.write_bytes(flipped)
                with self.subTest(f"{path.name} at {place}"), self.assertRaises(Refusal) as caught:
                    read()
                text = caught.exception.message + caught.exception.where
                self.assertIn(path.name, text)
                self.assertTrue("it is damaged" in text or path.suffix in (".json", ".parquet"), text)
            path.write_bytes(whole)

    def test_numbers(self) -> None:
        """Texts are those of JSON.stringify, numbers of all sizes and empty lists among them."""
        numbers = [0.1, 1e-7, 1.5e-7, 0.000001, 123456.5, 1e20, 1e21, 1.25e22, -0.0, 5e-324, float("nan"), 2.0, 7]
        wanted = "0.1,1e-7,1.5e-7,0.000001,123456.5,100000000000000000000,1e+21,1.25e+22,0,5e-324,null,2,7"
        self.assertEqual(text_of(numbers), f"[{wanted}]")
        value = {"a": [], "b": {}, '\u00e9\n"': [True, None, {"c": "\x01"}]}
        self.assertEqual(text_of(value), '{"a":[],"b":{},"\u00e9\\n\\"":[true,null,{"c":"\\u0001"}]}')
        indented = '{\n  "a": [],\n  "b": [\n    1,\n    {\n      "c": 2\n    }\n  ]\n}'
        self.assertEqual(text_of({"a": [], "b": [1, {"c": 2}]}, ""), indented)

    def test_form(self) -> None:
        """A field of a job that is missing, or of another kind, is named by its place."""
        write_job(Made(tables=True), self.folder / "job", self.folder)
        table = (
            ('"batch": 32', '"batch": "32"', "batch: found '32', wanted a whole number"),
            ('"initial": 0,', "", "tables[0].initial: found nothing, wanted a number"),
            ('"stored": "plain"', '"stored": 3', "columns.labels/a.stored: found 3, wanted a text"),
            ('"apart": false', '"apart": 0', "apart: found 0, wanted true or false"),
            ('"tables": [', '"tables": 1, "others": [', "tables: found 1, wanted a list"),
        )
        for old, new, wanted in table:
            path = self.folder / "job/job.json"
            whole = path.read_text()
            change(path.parent, old, new)
            with self.assertRaises(Refusal) as caught:
                read_job(path.parent)
            self.assertEqual(caught.exception.message, f"Cannot read the job: {wanted}")
            path.write_text(whole)

    def test_shards(self) -> None:
        """Rows that lie in some files are found by as many shards as one likes."""
        whole = np.arange(22, dtype=np.float32).reshape(11, 2)
        for files in (1, 2, 3):
            for shards in (1, 2, 4):
                for shard in range(shards):
                    parts = [whole[file::files] for file in range(files)]
                    np.testing.assert_array_equal(_rows(parts, shard, shards), whole[shard::shards])

    def test_unreadable_job(self) -> None:
        """A job that is not there, damaged or of another version is an error that says so."""
        unread = ((b"{", "Cannot read the job"), (b"\xff", "can't decode"), (b"{}", "found the format None"))
        for text, found in ((None, "No such file"), *unread):
            if text is not None:
                (self.folder / "job.json").write_bytes(text)
            with self.assertRaises(Refusal) as caught:
                read_job(self.folder)
            self.assertIn(found, caught.exception.message)

    def test_damaged_files(self) -> None:
        """A file of a job that is damaged is named, and so is what a graph lacks."""
        write_job(Made(), self.folder / "job", self.folder)
        arrays = self.folder / "job/arrays.safetensors"
        whole = arrays.read_bytes()
        for text in (b"", whole[:40], whole[:-4], whole[:20] + b"\xff" + whole[21:], b"\xff" * 8 + whole[8:]):
            arrays.write_bytes(text)
            with self.assertRaisesRegex(Refusal, "Cannot read arrays.safetensors: it is damaged"):
                Worker(str(self.folder / "job"), str(self.folder), 1)
        arrays.write_bytes(whole)
        change(self.folder / "job", '"onnx": "x"', '"onnx": "y"')
        with self.assertRaisesRegex(Refusal, "Cannot load the graph [a-z]+.onnx: it has no 'y'"):
            Worker(str(self.folder / "job"), str(self.folder), 1).check(0, 1)


if __name__ == "__main__":
    unittest.main()
