"""A job that is written by hand: linear regressions of two tasks, with noise, and with vectors of ids if wanted."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from gatehouse_job.tensors import sha256_of, write_tensors
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
TASKS = ("a", "b")
WIDTH, UNITS, IDS = 3, 2, 50
RATE, TABLE_RATE, MOMENTUM, EPSILON = 0.05, 0.1, 0.9, 1e-6


@dataclass(frozen=True)
class Made:
    """What a job is made with."""

    rows: int = 1000
    group: int = 60
    lanes: int = 4
    batch: int = 32
    window: int = 128
    epochs: int = 2
    tables: bool = False
    shards: int = 2
    every: int = 10
    apart: bool = False
    clip: float | None = None
    validation: bool = True
    weighting: dict[str, Any] | None = None


def columns_of(rows: int, seed: int) -> dict[str, Array]:
    """Rows at random: labels of a line, some missing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, WIDTH)).astype(np.float32)
    ids = np.minimum(random.geometric(0.1, size=(rows, 2)) - 2, IDS).astype(np.int32)  # -1 and IDS have no row
    columns: dict[str, Array] = {"x": x, "ids": ids}
    for at, task in enumerate(TASKS):
        columns[f"labels/{task}"] = (x @ np.array([1, -1, 0.5 + at]) + at > 0).astype(np.float32)
        columns[f"weights/{task}"] = (random.random(rows) > 0.2 * at).astype(np.float32)
    return columns


def write_job(made: Made, job: Path, storage: Path) -> None:
    """Writes the folder of a job, and its rows."""
    (storage / "data").mkdir(parents=True)
    job.mkdir(parents=True)
    (job / "spec.json").write_text("{}")
    groups = _write_rows(storage / "data", "train.parquet", columns_of(made.rows, 1), made.group)
    validation = _write_rows(storage / "data", "validation.parquet", columns_of(300, 2), made.group)
    size = len(TASKS) * (WIDTH + 1)
    first = np.linspace(-0.1, 0.1, size, dtype=np.float32)
    lanes = [list(range(lane, len(groups), made.lanes)) for lane in range(made.lanes)]
    lane_rows = [sum(groups[place]["rows"] for place in lane) for lane in lanes]
    per_epoch = max(-(-rows // (made.batch // made.lanes)) for rows in lane_rows)
    steps = made.epochs * per_epoch
    rates = (RATE * (1 - np.arange(steps) / steps)).astype(np.float32)
    bits = rates.astype("<f8").view("<i4").reshape(steps, 2)
    arrays = {"parameters": first, "scalars/rate": rates, "rates/optimiser": bits}
    write_tensors(job / "arrays.safetensors", arrays, {})
    graphs = {"weights": _weights(), "gradients": _gradients(made), "update": _update(), "evaluate": _evaluate(made)}
    files = {name: _written(job, f"{name}.onnx", *graph) for name, graph in graphs.items()}
    update = _written(job, "table.onnx", *_table_update()) if made.tables else None
    document = {
        "format": "gatehouse job 2",
        "name": "made",
        "seed": 7,
        "epochs": made.epochs,
        "batch": made.batch,
        "lanes": lanes,
        "seeds": ["7"] if made.lanes == 1 else [f"7:lane:{lane}" for lane in range(made.lanes)],
        "window": made.window,
        "shuffle": True,
        "shuffleGroups": True,
        "stepsPerEpoch": per_epoch,
        "steps": steps,
        "rows": made.rows,
        "apart": made.apart,
        "data": {
            "folder": "data",
            "train": _coded(storage, groups),
            "validation": _coded(storage, validation) if made.validation else None,
        },
        "columns": _columns(),
        "tasks": {task: _task() for task in TASKS},
        "graphs": files,
        "noise": [{"name": "noise", "kind": "uniform", "shape": ["batch", WIDTH]}],
        "scalars": {"rate": {"array": "scalars/rate"}, "vectors/0/rate": {"constant": TABLE_RATE}},
        "parameters": {
            "size": size,
            "tensor": "parameters",
            "extents": [
                {
                    "name": f"tasks/{task}/kernel",
                    "shape": [WIDTH + 1, 1],
                    "start": at * (WIDTH + 1),
                    "row": {"length": WIDTH + 1, "apart": WIDTH + 1},
                }
                for at, task in enumerate(TASKS)
            ],
        },
        "slots": [{"name": "optimiser/mean", "first": 0}],
        "tables": [_table(update)] if made.tables else [],
        "lookups": [_lookup()] if made.tables else [],
        "shards": made.shards if made.tables else 0,
        "clipNorm": made.clip,
        "weighting": made.weighting,
        "evaluate": {"rows": 50, "every": None},
        "checkpoint": {
            "every": {"steps": made.every},
            "keep": 3,
            "identity": {"seed": 7, "batch": made.batch, "data": "made"},
            "rates": [
                {"path": ["optimiser"], "array": "rates/optimiser"},
                {"path": ["vectors"], "constant": TABLE_RATE},
            ],
        },
        "model": {"files": ["spec.json"], "metadata": {"gatehouse": "made"}},
    }
    seal(job, document)


def seal(job: Path, document: dict[str, Any]) -> None:
    """Writes job.json, and into it the digests of the files beside it, and of itself."""
    files = [path for path in sorted(job.rglob("*")) if path.is_file() and path.name != "job.json"]
    document["files"] = {str(path.relative_to(job)): sha256_of(path) for path in files}
    text = json.dumps({name: value for name, value in document.items() if name != "sha256"}, indent=1)[2:]
    digest = hashlib.sha256(text.encode()).hexdigest()
    (job / "job.json").write_text(f'{{"sha256": "{digest}",\n{text}')


def change(job: Path, old: str, new: str) -> None:
    """Changes the text of job.json as its writer could have."""
    text = (job / "job.json").read_text()
    assert old in text, old
    seal(job, json.loads(text.replace(old, new)))


def _coded(storage: Path, groups: list[dict[str, Any]]) -> dict[str, Any]:
    files = {one["file"] for one in groups}
    return {"groups": groups, "files": {file: sha256_of(storage / "data" / file) for file in files}}


def _write_rows(folder: Path, name: str, columns: dict[str, Array], group: int) -> list[dict[str, Any]]:
    arrays, fields = [], []
    for column, array in columns.items():
        bytes_of = array.ndim == 2
        kind = pa.binary(4 * array.shape[1]) if bytes_of else pa.from_numpy_dtype(array.dtype)
        arrays.append(pa.array([row.tobytes() for row in array], kind) if bytes_of else pa.array(array))
        fields.append(pa.field(column, kind, nullable=False))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    pq.write_table(table, folder / name, row_group_size=group)
    rows = len(columns["x"])
    return [
        {"file": name, "group": place, "rows": min(group, rows - at)} for place, at in enumerate(range(0, rows, group))
    ]


def _columns() -> dict[str, Any]:
    wide = {
        "x": {"column": "x", "dtype": "float32", "shape": ["batch", WIDTH], "stored": "bytes"},
        "ids": {"column": "ids", "dtype": "int32", "shape": ["batch", 2], "stored": "bytes"},
    }
    names = [f"{word}/{task}" for task in TASKS for word in ("labels", "weights")]
    plain = {name: {"column": name, "dtype": "float32", "shape": ["batch"], "stored": "plain"} for name in names}
    return {**wide, **plain}


def _task() -> dict[str, Any]:
    metrics = {"auc": {"kind": "auc", "of": "logits"}, "mse": {"kind": "mse"}, "other": {"kind": "unheard of"}}
    return {"weight": 1, "label": {"mean": 0, "scale": 1}, "shape": ["batch"], "metrics": metrics}


def _table(update: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "path": "ids/vectors",
        "rows": IDS,
        "units": UNITS,
        "state": 1,
        "initial": 0,
        "first": {"drawn": {"spread": "around 0", "size": 0.1, "key": [123, -456]}, "zeros": [3]},
        "update": update,
        "rate": "vectors/0/rate",
    }


def _lookup() -> dict[str, Any]:
    part = {"table": "ids/vectors", "units": UNITS, "codes": "ids", "columns": [0, 1], "first": 0}
    part |= {"weights": None, "weightsFrom": 0}
    return {"name": "vectors/0", "width": UNITS, "parts": [part]}


Graph = tuple[list[tuple[str, str, list[Any]]], list[tuple[str, str, list[Any]]], list[Any], dict[str, Array]]


def _written(
    job: Path, path: str, inputs: Any, outputs: Any, nodes: Any, constants: dict[str, Array]
) -> dict[str, Any]:
    """Writes a graph of ONNX, whose names are those of the job with slashes replaced; returns its part of job.json."""

    def onnx_name(name: str) -> str:
        return name.replace("/", "_")

    def info(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(onnx_name(name), TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        path,
        [info(name, shape) for name, _, shape in inputs],
        [info(name, shape) for name, _, shape in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, job / path)

    def listed(entries: Any, key: str) -> list[dict[str, Any]]:
        return [
            {"name": name.removeprefix("new/"), "onnx": onnx_name(name), "shape": shape, "dtype": "float32", key: kind}
            for name, kind, shape in entries
        ]

    return {"path": path, "inputs": listed(inputs, "from"), "outputs": listed(outputs, "role")}


def _node(kind: str, of: str, result: str, **attributes: Any) -> Any:
    return helper.make_node(kind, of.split(), result.split(), **attributes)


_BATCH: list[tuple[str, str, list[Any]]] = [
    (f"{word}/{task}", "column", ["batch"]) for task in TASKS for word in ("labels", "weights")
]
_CONSTANTS: dict[str, Array] = {
    "zero": np.array([0], np.int64),
    "one": np.array([1], np.int64),
    "flat": np.array([-1], np.int64),
    "matrix": np.array([len(TASKS), WIDTH + 1], np.int64),
    "two": np.array(2, np.float32),
    "least": np.array(1e-9, np.float32),
    "most": np.array(0.2, np.float32),
    "nothing": np.array([], np.int64),
}


def _weights() -> Graph:
    nodes = [_node("ReduceSum", f"weights_{task} zero", f"weight_{task}", keepdims=0) for task in TASKS]
    outputs: list[tuple[str, str, list[Any]]] = [(f"weight/{task}", "weight", []) for task in TASKS]
    return _BATCH, outputs, nodes, {"zero": _CONSTANTS["zero"]}


def _predicted(made: Made, noise: bool) -> list[Any]:
    """Nodes up to `logits`, [batch, tasks]."""
    nodes = [
        _node("Reshape", "parameters matrix", "kernel"),
        _node("ReduceSum", "x one", "first_of_x", keepdims=1),
        _node("Mul", "first_of_x nought", "zeros"),
        _node("Add", "zeros unit", "ones"),
        _node("Concat", "dropped ones" if noise else "x ones", "inputs", axis=1),
        _node("Transpose", "kernel", "turned", perm=[1, 0]),
        _node("MatMul", "inputs turned", "plain"),
    ]
    if noise:
        nodes[:0] = [
            _node("Greater", "noise most", "kept"),
            _node("Cast", "kept", "mask", to=TensorProto.FLOAT),
            _node("Mul", "x mask", "dropped"),
        ]
    if made.tables:
        nodes += [_node("ReduceSum", "vectors_0 one", "of_ids", keepdims=1), _node("Add", "plain of_ids", "logits")]
    else:
        nodes += [_node("Identity", "plain", "logits")]
    return nodes


def _inputs(made: Made, noise: bool) -> list[tuple[str, str, list[Any]]]:
    inputs: list[tuple[str, str, list[Any]]] = [("x", "column", ["batch", WIDTH]), *_BATCH]
    inputs.append(("parameters", "parameters", [len(TASKS) * (WIDTH + 1)]))
    if noise:
        inputs.append(("noise", "noise", ["batch", WIDTH]))
    if made.tables:
        inputs.append(("vectors/0", "lookup", ["batch", UNITS]))
    return inputs


def _losses() -> list[Any]:
    """Nodes from logits to the losses of tasks."""
    nodes = []
    for at, task in enumerate(TASKS):
        nodes += [
            _node("Gather", f"logits at_{at}", f"prediction_{task}", axis=1),
            _node("Sub", f"prediction_{task} labels_{task}", f"off_{task}"),
            _node("Mul", f"off_{task} weights_{task}", f"far_{task}"),
            _node("Mul", f"far_{task} off_{task}", f"square_{task}"),
            _node("ReduceSum", f"square_{task} zero", f"sum_{task}", keepdims=0),
            _node("ReduceSum", f"weights_{task} zero", f"weight_{task}", keepdims=0),
            _node("Max", f"weight_{task} least", f"over_{task}"),
            _node("Div", f"sum_{task} over_{task}", f"loss_{task}"),
        ]
    return nodes


_NUMBERS: dict[str, Array] = {
    **_CONSTANTS,
    **{f"at_{at}": np.array(at, np.int64) for at in range(len(TASKS))},
    "unit": np.array(1, np.float32),
    "nought": np.array(0, np.float32),
}


def _gradients(made: Made) -> Graph:
    nodes = [*_predicted(made, True), *_losses()]
    for task in TASKS:
        nodes += [
            _node("Mul", f"loss_{task} factor_{task}", f"own_{task}"),
            _node("Mul", f"factor_{task} two", f"double_{task}"),
            _node("Div", f"double_{task} over_{task}", f"slope_{task}"),
            _node("Mul", f"far_{task} slope_{task}", f"each_{task}"),
            _node("Unsqueeze", f"each_{task} one", f"column_{task}"),
        ]
    nodes += [
        _node("Concat", " ".join(f"column_{task}" for task in TASKS), "by_row", axis=1),
        _node("Transpose", "by_row", "by_task", perm=[1, 0]),
        _node("MatMul", "by_task inputs", "square"),
        _node("Reshape", "square flat", "gradient"),
        _node("Add", "own_a own_b", "loss"),
    ]
    outputs: list[tuple[str, str, list[Any]]] = [
        ("gradient", "gradient", [len(TASKS) * (WIDTH + 1)]),
        ("loss", "total", []),
        *((f"loss/{task}", "loss", []) for task in TASKS),
        *((f"weight/{task}", "weight", []) for task in TASKS),
    ]
    if made.tables:
        nodes += [
            _node("ReduceSum", "by_row one", "of_rows", keepdims=1),
            _node("Expand", "of_rows units", "gradient_vectors_0"),
        ]
        outputs.append(("gradient/vectors/0", "lookup", ["batch", UNITS]))
    inputs = [*_inputs(made, True), *((f"factor/{task}", "factor", []) for task in TASKS)]
    return inputs, outputs, nodes, {**_NUMBERS, "units": np.array([1, UNITS], np.int64)}


def _evaluate(made: Made) -> Graph:
    nodes = [*_predicted(made, False), *_losses()]
    for task in TASKS:
        nodes += [
            _node("Unsqueeze", f"prediction_{task} one", f"logits_{task}"),
            _node("Identity", f"prediction_{task}", task),
        ]
    outputs: list[tuple[str, str, list[Any]]] = []
    for task in TASKS:
        outputs += [(task, "prediction", ["batch"]), (f"logits/{task}", "logits", ["batch", 1])]
        outputs += [(f"loss/{task}", "loss", []), (f"weight/{task}", "weight", [])]
    return _inputs(made, False), outputs, nodes, _NUMBERS


def _update() -> Graph:
    size = len(TASKS) * (WIDTH + 1)
    nodes = [
        _node("Mul", "optimiser_mean momentum", "faded"),
        _node("Add", "faded gradient", "new_optimiser_mean"),
        _node("Mul", "new_optimiser_mean rate", "change"),
        _node("Sub", "parameters change", "new_parameters"),
        _node("Mul", "gradient gradient", "squares"),
        _node("ReduceSum", "squares zero", "dense", keepdims=0),
        _node("Mul", "vectors vectors", "others"),
        _node("Add", "dense others", "both"),
        _node("Sqrt", "both", "norm"),
        _node("ReduceSum", "new_parameters zero", "moved", keepdims=0),
    ]
    inputs = [
        ("parameters", "parameters", [size]),
        ("optimiser/mean", "slot", [size]),
        ("gradient", "gradient", [size]),
        ("vectors", "vectors", []),
        ("rate", "scalar", []),
    ]
    outputs = [
        ("new/parameters", "parameters", [size]),
        ("new/optimiser/mean", "slot", [size]),
        ("norm", "norm", []),
        ("moved", "moved", []),
    ]
    return inputs, outputs, nodes, {"zero": _CONSTANTS["zero"], "momentum": np.array(MOMENTUM, np.float32)}


def _table_update() -> Graph:
    nodes = [
        _node("Mul", "gradient scale", "scaled"),
        _node("Mul", "scaled scaled", "squares"),
        _node("ReduceMean", "squares", "mean", axes=[1], keepdims=1),
        _node("Add", "state mean", "new_state"),
        _node("Sqrt", "new_state", "root"),
        _node("Add", "root epsilon", "below"),
        _node("Mul", "scaled vectors_0_rate", "slow"),
        _node("Div", "slow below", "change"),
        _node("Sub", "table change", "new_table"),
    ]
    inputs = [
        ("table", "table", ["batch", UNITS]),
        ("state", "state", ["batch", 1]),
        ("gradient", "gradient", ["batch", UNITS]),
        ("scale", "scale", []),
        ("vectors/0/rate", "scalar", []),
    ]
    outputs = [("new/table", "table", ["batch", UNITS]), ("new/state", "state", ["batch", 1])]
    return inputs, outputs, nodes, {"epsilon": np.array(EPSILON, np.float32)}
