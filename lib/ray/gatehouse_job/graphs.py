"""Graphs of ONNX as functions of arrays by name."""

from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from .errors import Refusal
from .job import GraphFile, Job
from .tensors import Array, Arrays

Run = Callable[[Arrays], dict[str, Array]]


def load_graph(job: Job, graph: GraphFile, threads: int) -> Run:
    """The run of a graph: from what its inputs are named in the job to what its outputs are. Others are ignored."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(job.file(graph.path))
    what = f"Cannot load the graph {graph.path}"
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for each of its codes
        raise Refusal(f"{what}: {error}", path, "install a newer onnxruntime") from error
    names = [output.onnx for output in graph.outputs]
    inputs = [(one.name, one.onnx) for one in graph.inputs]
    known = {one.name for one in [*session.get_inputs(), *session.get_outputs()]}
    lacking = [name for name in [*names, *(onnx for _, onnx in inputs)] if name not in known]
    if lacking:
        raise Refusal(f"{what}: it has no {lacking[0]!r}", path, "write the job anew")

    def run(given: Arrays) -> dict[str, Array]:
        found = session.run(names, {onnx: given[name] for name, onnx in inputs})
        return {output.name: array for output, array in zip(graph.outputs, found, strict=True)}

    return run


def number(value: float) -> Array:
    """A number as an input."""
    return np.array(value, np.float32)
