"""Calls a server of models by unmodified clients; what it prints is compared with what the model predicts.

Usage: clients.py URL COLUMNS.json, with the columns of some rows by name. Prints a JSON object of predictions by client.
"""

import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as triton
from prometheus_client.parser import text_string_to_metric_families

url, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    columns = json.load(file)
rows = len(next(iter(columns.values())))
found: dict[str, list[float]] = {}


def post(route: str, body: object) -> dict:
    """The answer to a JSON body, as a plain HTTP client gets it."""
    request = urllib.request.Request(url + route, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


client = triton.InferenceServerClient(url.removeprefix("http://"))
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("visitors")
metadata = client.get_model_metadata("visitors")
assert [one["name"] for one in metadata["inputs"]] == list(columns), metadata
for name, binary in [("triton, binary", True), ("triton, JSON", False)]:
    inputs = []
    for tensor in metadata["inputs"]:
        values = columns[tensor["name"]]
        kind = np.object_ if tensor["datatype"] == "BYTES" else np.float32
        one = triton.InferInput(tensor["name"], [rows], tensor["datatype"])
        one.set_data_from_numpy(np.array(values, dtype=kind), binary_data=binary)
        inputs.append(one)
    for wanted in [None, [triton.InferRequestedOutput("click", binary_data=binary)]]:
        answer = client.infer("visitors", inputs, outputs=wanted, request_id="7")
        assert answer.get_response()["id"] == "7"
        found[f"{name}, {'all' if wanted is None else 'one'}"] = answer.as_numpy("click").tolist()
    packed = client.infer("visitors", inputs, request_compression_algorithm="gzip")
    found[f"{name}, packed"] = packed.as_numpy("click").tolist()

tensors = [
    {"name": name, "shape": [rows], "datatype": "BYTES" if isinstance(values[0], str) else "FP64", "data": values}
    for name, values in columns.items()
]
answer = post("/v2/models/visitors/infer", {"inputs": tensors})
found["plain v2"] = next(one["data"] for one in answer["outputs"] if one["name"] == "click")
instances = [dict(zip(columns, values)) for values in zip(*columns.values())]
answer = post("/v1/models/visitors:predict", {"signature_name": "serving_default", "instances": instances})
found["rows"] = [one["click"] for one in answer["predictions"]]
found["columns"] = post("/v1/models/visitors/versions/1:predict", {"inputs": columns})["outputs"]["click"]

found["signature"] = post("/v1/models/visitors:predict", {"signature_name": "click", "inputs": columns})["outputs"]
counted = {}
with urllib.request.urlopen(f"{url}/metrics") as response:
    kinds = {}
    for family in text_string_to_metric_families(response.read().decode()):
        assert family.documentation and family.name not in kinds, family
        kinds[family.name] = family.type
        counted |= {(one.name, *sorted(one.labels.items())): one.value for one in family.samples}
wanted_kinds = {"gatehouse_requests": "counter", "gatehouse_prediction": "summary", "gatehouse_batch_rows": "histogram"}
assert wanted_kinds.items() <= kinds.items() and "unknown" not in kinds.values(), kinds
version = (("model", "visitors"), ("version", "1"))
assert counted["gatehouse_requests_total", version[0], ("status", "200"), version[1]] >= 10, counted
assert counted["gatehouse_batch_rows_bucket", ("le", "+Inf"), *version] > 0, counted

try:
    client.infer("visitors", inputs[:1])
    raise AssertionError("a missing input was taken")
except triton.InferenceServerException as error:
    found["error"] = error.message()
print(json.dumps(found))
