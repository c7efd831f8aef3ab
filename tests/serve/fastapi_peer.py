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
numbers = [(name, one) for name, one in features.items() if one["kind"] == "numeric"]
words = [
    (name, {word: at + (1 if "missing" in one else 2) for at, word in enumerate(one["words"])}, 0 if "missing" in one else 1)
    for name, one in features.items()
    if one["kind"] == "category"
]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(folder / "census.onnx", options)
tasks = [one.name for one in session.get_outputs()]
transforms = {"none": lambda x: x, "log1p": math.log1p}
app = FastAPI()


@app.post("/v1/models/census:predict")
async def predict(request: Request) -> dict:
    """Predictions for rows by name."""
    rows = (await request.json())["instances"]
    numeric = np.array(
        [[(transforms[of["transform"]](row[name]) - of["mean"]) / of["scale"] for name, of in numbers] for row in rows],
        np.float32,
    )
    category = np.array([[codes.get(row[name], unknown) for name, codes, unknown in words] for row in rows], np.int32)
    found = session.run(tasks, {"numeric": numeric, "category": category})
    return {"predictions": [dict(zip(tasks, values)) for values in zip(*(one.tolist() for one in found))]}
