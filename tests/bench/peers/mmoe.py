"""Times MMoE models in PyTorch for whoever asks over standard input and output, one line of JSON each.

First comes {"versions", "variants", "missing"}: what is there, and why a variant is not. Then every request has one
reply, in order, {"error"} where it failed:

    {"case": {...}, "variant": "torch eager", "metric": "train_step_ms", "repeats": 30}  ->  {"times", "form", "threads"}
    {"case": {...}, "weights": true}  ->  {"weights"}, how many numbers are trained
    {"product": [1024, 512, 4096]}  ->  {"times"} of a product of matrices of these lengths
    {"blas": 2048}  ->  {"gflops", "median", "library", "libraries"}

A case has the members of `Case` in models.py. The end of the input is the end of the worker. With `--fbgemm` it times
what FBGEMM trains alone, in an environment that has it. With `--check` it checks instead that all forms of the model
are one model; with `--memory {"case", "variant"}` it writes instead what the process has at most in ten training steps,
{"process", "training"} in bytes, of which the second is above what it had before the model.
"""

import json
import os
import platform
import sys
from importlib import metadata

sys.dont_write_bytecode = True
if sys.prefix != sys.base_prefix:  # programs that were compiled stay with the virtual environment
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(sys.prefix, "inductor"))

try:
    import numpy
    import torch
except ImportError as error:
    sys.exit(str(error))

import timing
from blas import blas, product
from models import Case
from rechub import version

# What was found to be fastest, by case, variant and metric.
SET = {}


def main() -> None:
    """Answers requests until there are no more."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no reply
    torch.set_flush_denormal(True)  # a moment of Adam that fades away costs no more than others

    def reply(value: dict) -> None:
        print(json.dumps(value), file=replies, flush=True)

    reply(fbgemm() if "--fbgemm" in sys.argv[1:] else torch_alone())
    for line in sys.stdin:
        try:
            reply(answer(json.loads(line)))
        except Exception as error:
            reply({"error": timing.summary(error)})


def answer(request: dict) -> dict:
    """What a request asks for."""
    if "blas" in request:
        return blas(request["blas"], timing.CORES)
    if "product" in request:
        return {"times": product(*request["product"], timing.CORES)}
    case = Case.read(request["case"])
    if "weights" in request:
        return {"weights": sum(part.numel() for part in timing.model(case, "loop").parameters())}
    key = (case, request["variant"], request["metric"])
    if key not in SET:
        SET[key] = timing.fastest(*key)
    found = SET[key]
    return {"times": found.times(request["repeats"]), "form": found.form, "threads": found.threads}


def torch_alone() -> dict:
    """The first line: what can be timed here."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    missing = {}
    if timing.uncompilable() is not None:
        missing["torch compile"] = timing.uncompilable()
    try:
        versions["torch-rechub"] = version()
    except ImportError as error:
        missing |= {name: timing.summary(error) for name in timing.VARIANTS if name.startswith("torch-rechub")}
    return {
        "versions": versions,
        "variants": [name for name in timing.VARIANTS if name not in missing],
        "missing": missing,
    }


def fbgemm() -> dict:
    """The first line of the environment that has FBGEMM."""
    import fbgemm_gpu  # noqa: F401

    versions = {"fbgemm-gpu-cpu": metadata.version("fbgemm-gpu-cpu"), "its torch": torch.__version__}
    return {"versions": versions, "variants": [timing.FBGEMM], "missing": {}}


def memory(request: dict) -> dict:
    """The most memory of this process, which has done nothing else."""
    case, variant = Case.read(request["case"]), request["variant"]
    if variant.startswith("torch-rechub"):
        version()  # which imports it
    before = highest()
    step = timing.action(case, variant, timing.forms(case, variant)[0], "train_step_ms")
    for _ in range(10):
        step()
    return {"process": highest(), "training": highest() - before}


def highest() -> int:
    """The most memory that this process has had, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    if "--memory" in sys.argv[1:]:
        print(json.dumps(memory(json.loads(sys.argv[-1]))))
    elif "--check" in sys.argv[1:]:
        import check

        if "--fbgemm" in sys.argv[1:]:
            check.check_fbgemm()
        else:
            check.check()
            check.check_rechub()
    else:
        main()
