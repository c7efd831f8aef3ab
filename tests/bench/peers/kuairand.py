"""Trains one peer on a table of KuaiRand that `tests/bench/kuairand_inputs.ts` wrote, and judges it.

    out/peers/bin/python tests/bench/peers/kuairand.py out/bench_kuairand/raw "LightGBM" --seed 7

Writes a line of JSON for each task of the rows to validate and to test on: {"model", "inputs", "task", "split", "auc",
"gauc", "seed", "seconds", "mib"}. GAUC is over users, weighted by rows. The seconds are those of the trainings that were
chosen, without those that were tried beside them; the memory is the most that the process had. With `--predictions FOLDER`
it also writes what it predicts: `MODEL,INPUTS,SEED.SPLIT.csv`, a column a task. `--list` writes the names of the peers, and
what is there of them.
"""

import argparse
import json
import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path

sys.dont_write_bytecode = True
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "2")

import numpy as np

from kuairand_models import MODELS
from kuairand_table import auc, gauc, read

PACKAGES = ("scikit-learn", "torch", "torch-rechub", "deepctr-torch", "lightgbm", "numpy", "pandas")


def main() -> None:
    """Trains, judges and writes."""
    parser = argparse.ArgumentParser(description="Trains one peer on KuaiRand, and judges it.")
    parser.add_argument("table", nargs="?", help="the table: PATH.csv and PATH.json")
    parser.add_argument("model", nargs="?", choices=MODELS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--share", type=float, default=1.0, help="the share of the rows to train on, the last ones")
    parser.add_argument("--predictions", type=Path, help="a folder for what is predicted")
    parser.add_argument("--list", action="store_true", help="the peers and the versions of their packages")
    options = parser.parse_args()
    if options.list:
        versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
        print(json.dumps({"models": list(MODELS), "versions": versions}))
        return
    if options.model is None:
        parser.error("wanted a table and a model")
    table = read(options.table, options.share)
    found = MODELS[options.model](table, options.seed)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mib = most / (2**20 if sys.platform == "darwin" else 2**10)
    for split in ("validation", "test"):
        part, predicted = getattr(table, split), getattr(found, split)
        for at, task in enumerate(table.tasks):
            line = {
                "model": options.model,
                "inputs": table.inputs,
                "task": task,
                "split": split,
                "auc": auc(part.labels[:, at], predicted[:, at]),
                "gauc": gauc(part.groups, part.labels[:, at], predicted[:, at]),
                "seed": options.seed,
                "seconds": round(found.seconds, 2),
                "mib": round(mib),
            }
            print(json.dumps(line), flush=True)
        if options.predictions is not None:
            write(options.predictions / f"{options.model},{table.inputs},{options.seed}.{split}.csv", table.tasks, predicted)


def write(path: Path, tasks: list[str], predicted: np.ndarray) -> None:
    """Writes predictions [rows, tasks] whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    np.savetxt(part, predicted, "%.9g", ",", header=",".join(tasks), comments="")
    part.replace(path)


if __name__ == "__main__":
    main()
