"""Reads the graphs of a folder for OpenVINO Model Server by OpenVINO, as that server does, and predicts.

Usage: openvino_reader.py FOLDER ENCODED.json, with encoded rows by input. Prints the predictions of click, version by version.
"""

import json
import sys
from pathlib import Path

import numpy as np
import openvino

folder, encoded = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
core = openvino.Core()
found = []
for version in sorted(folder.glob("[0-9]*")):
    model = core.compile_model(core.read_model(version / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    dtypes = {one.get_any_name(): one.get_element_type().to_dtype() for one in model.inputs}
    feeds = {name: np.array(encoded[name], dtype) for name, dtype in dtypes.items()}
    found.append(model(feeds)["click"].ravel().tolist())
assert found
print(json.dumps(found))
