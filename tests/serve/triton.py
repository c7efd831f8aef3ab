"""Reads a folder for Triton: its configuration by the schema of Triton's own client, its graphs by ONNX Runtime.

Usage: triton.py FOLDER ENCODED.json, with encoded rows by input. Prints the predictions of click, version by version.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

folder, encoded = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
config = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
assert config.backend == "onnxruntime" and config.max_batch_size == 1024 and config.HasField("dynamic_batching")
types = {8: "tensor(int32)", 11: "tensor(float)"}
dtypes = {"tensor(int32)": np.int32, "tensor(float)": np.float32}
found = []
for version in sorted(folder.glob("[0-9]*")):
    session = onnxruntime.InferenceSession(version / "model.onnx")
    for described, held in [(config.input, session.get_inputs()), (config.output, session.get_outputs())]:
        by_name = {one.name: one for one in held}
        assert {one.name for one in described} == set(by_name)
        for one in described:
            shape = list(one.reshape.shape) if one.HasField("reshape") else list(one.dims)
            assert types[one.data_type] == by_name[one.name].type and shape == by_name[one.name].shape[1:], one
    feeds = {one.name: np.array(encoded[one.name], dtypes[one.type]) for one in session.get_inputs()}
    found.append(session.run(["click"], feeds)[0].tolist())
assert found
print(json.dumps(found))
