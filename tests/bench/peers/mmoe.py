"""Times MMoE models in PyTorch for whoever asks over standard input and output, one line of JSON each.

First comes {"versions", "variants", "missing"}: what is there, and why a variant is not. Then every request has one
reply, in order, {"error"} where it failed:

    {"case": {...}, "variant": "torch eager", "metric": "train_step_ms", "repeats": 30}  ->  {"times", "form", "threads"}
    {"case": {...}, "weights": true}  ->  {"weights"}, how many numbers are trained
    {"product": [1024, 512, 4096]}  ->  {"times"} of a product of matrices of these lengths
    {"blas": 2048}  ->  {"gflops", "median", "library", "libraries"}

A case has the members of `Case` in models.py. The end of the input is the end of the worker. With `--check` it checks
instead that all forms of the model are one model.
"""

import json
import os
import platform
import sys

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
from models import Case, Eager

# What was found to be fastest, by case, variant and metric.
SET = {}


def main() -> None:
    """Answers requests until there are no more."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no reply
    torch.set_flush_denormal(True)  # a moment of Adam that fades away costs no more than others

    def reply(value: dict) -> None:
        print(json.dumps(value), file=replies, flush=True)

    missing = missing_variants()
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    reply({
        "versions": versions,
        "variants": [name for name in timing.VARIANTS if name not in missing],
        "missing": missing,
    })
    for line in sys.stdin:
        try:
            reply(answer(json.loads(line)))
        except Exception as error:
            reply({"error": summary(error)})


def answer(request: dict) -> dict:
    """What a request asks for."""
    if "blas" in request:
        return blas(request["blas"], timing.CORES)
    if "product" in request:
        return {"times": product(*request["product"], timing.CORES)}
    case = Case.read(request["case"])
    if "weights" in request:
        return {"weights": sum(part.numel() for part in Eager(case).parameters())}
    key = (case, request["variant"], request["metric"])
    if key not in SET:
        SET[key] = timing.fastest(*key)
    found = SET[key]
    return {"times": found.times(request["repeats"]), "form": found.form, "threads": found.threads}


def missing_variants() -> dict[str, str]:
    """Why variants cannot be run here."""
    try:
        timing.compiled(lambda x: torch.relu(x) + 1)(torch.ones(8))
        return {}
    except Exception as error:
        return {"torch compile": summary(error)}


def summary(error: Exception) -> str:
    """The kind and the first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        from check import check

        check()
    else:
        main()
