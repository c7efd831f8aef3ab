"""The census model behind FastAPI and ONNX Runtime, as a Python service has it: rows are encoded by dictionaries.

Run by tests/serve/load.ts with uvicorn, a worker for each core.
"""

import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request

folder = Path("out/serve-load")
features = json.loads((folder / "features.json").read_text())
transforms = {"none": (lambda x: x, lambda x: x), "log1p": (math.log1p, np.log1p)}  # of a number, of an array
numbers = [
    (name, *transforms[one["transform"]], one["mean"], one["scale"])
    for name, one in features.items()
    if one["kind"] == "numeric"
]
words = [
    (name, {word: at + (1 if "missing" in one else 2) for at, word in enumerate(one["words"])}, 0 if "missing" in one else 1)
    for name, one in features.items()
    if one["kind"] == "category"
]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(folder / "census.onnx", options)
tasks = [one.name for one in session.get_outputs()]
app = FastAPI()


@app.post("/v1/models/census:predict")
async def predict(request: Request) -> dict:
    """Predictions for rows by name, or for columns, of which some have one value for all rows."""
    body = await request.json()
    numeric, category = of_rows(body["instances"]) if "instances" in body else of_columns(body["inputs"])
    found = [one.tolist() for one in session.run(tasks, {"numeric": numeric, "category": category})]
    if "inputs" in body:
        return {"outputs": dict(zip(tasks, found))}
    return {"predictions": [dict(zip(tasks, values)) for values in zip(*found)]}


def of_rows(rows: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of the graph: few numbers of many rows are faster by themselves than as arrays."""
    numeric = [[(of_one(row[name]) - mean) / scale for name, of_one, _, mean, scale in numbers] for row in rows]
    category = [[codes.get(row[name], unknown) for name, codes, unknown in words] for row in rows]
    return np.array(numeric, np.float32), np.array(category, np.int32)


def of_columns(columns: dict) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of the graph, column by column: of one value numpy fills all rows."""
    count = max((len(one) for one in columns.values() if isinstance(one, list)), default=1)
    numeric = np.empty((count, len(numbers)), np.float32)
    for at, (name, _, of_array, mean, scale) in enumerate(numbers):
        numeric[:, at] = (of_array(np.array(columns[name], np.float64)) - mean) / scale
    category = np.empty((count, len(words)), np.int32)
    for at, (name, codes, unknown) in enumerate(words):
        one = columns[name]
        category[:, at] = [codes.get(word, unknown) for word in one] if isinstance(one, list) else codes.get(one, unknown)
    return numeric, category
