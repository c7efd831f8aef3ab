"""A training that a job folder describes, on Ray: graphs of ONNX, run by workers that sum their gradients."""
