"""Calls a server of models by KServe's own client, both of its protocols; what it prints is compared with what the model predicts.

Usage: kserve_client.py URL COLUMNS.json, with the columns of some rows by name. Prints a JSON object of predictions by way.
"""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

url, path = sys.argv[1:]
columns = json.loads(Path(path).read_text(encoding="utf-8"))
rows = len(next(iter(columns.values())))


def tensor(name: str, values: list, binary: bool) -> InferInput:
    """A column as a tensor."""
    isText = isinstance(values[0], str)
    one = InferInput(name, [rows], "BYTES" if isText else "FP32")
    one.set_data_from_numpy(np.array(values, np.object_ if isText else np.float32), binary_data=binary)
    return one


async def main() -> None:
    """Asks in every way."""
    found = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "visitors")
        for binary in [True, False]:
            tensors = [tensor(name, values, binary) for name, values in columns.items()]
            answer = await client.infer(url, InferRequest("visitors", tensors, request_id="7"), model_name="visitors")
            assert answer.id == "7"
            outputs = {one.name: one.as_numpy().tolist() for one in answer.outputs}
            found[f"KServe, {'binary' if binary else 'JSON'}"] = outputs["click"]
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        instances = [dict(zip(columns, values)) for values in zip(*columns.values())]
        answer = await client.infer(url, {"instances": instances}, model_name="visitors")
        found["KServe, version 1"] = [one["click"] for one in answer["predictions"]]
    print(json.dumps(found))


asyncio.run(main())
