"""The table that `tests/bench/kuairand_inputs.ts` writes, and how predictions of it are judged."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The rows of one part."""

    # Codes [rows] by category: 0 is a missing word, 1 an unknown one.
    categories: dict[str, Codes]
    # Codes [rows, most] by list, with 0 where a list is shorter.
    lists: dict[str, Codes]
    # Numbers [rows] as they are, NaN where one is missing.
    numbers: dict[str, Floats]
    # Labels [rows, tasks].
    labels: Floats
    # The group within which a row is ranked [rows].
    groups: Codes

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.groups)


@dataclass(frozen=True)
class Table:
    """The parts of a table, and the sizes of its vocabularies."""

    inputs: str
    tasks: list[str]
    sizes: dict[str, int]
    train: Part
    validation: Part
    test: Part


def read(path: str, share: float = 1.0) -> Table:
    """Reads `PATH.csv` as `PATH.json` describes it; with a share, the last rows of the training part alone."""
    form = json.loads(Path(f"{path}.json").read_text())
    lists = form["lists"]
    frame = pd.read_csv(f"{path}.csv", dtype={name: str for name in lists}, keep_default_na=False, na_values=[""])
    if len(frame) != form["rows"]:
        raise ValueError(f"{path}.csv has {len(frame)} rows, {path}.json says {form['rows']}: write them again")

    def part(name: str) -> Part:
        rows = frame[frame["split"] == form["splits"].index(name)]
        if name == "train":
            rows = rows[len(rows) - round(len(rows) * share) :]
        return Part(
            {key: rows[key].to_numpy(np.int64, copy=True) for key in form["categories"]},
            {key: padded(rows[key], of["most"]) for key, of in lists.items()},
            {key: rows[key].to_numpy(np.float32) for key in form["numbers"]},
            rows[form["tasks"]].to_numpy(np.float32, copy=True),
            rows["group"].to_numpy(np.int64, copy=True),
        )

    sizes = form["categories"] | {key: of["size"] for key, of in lists.items()}
    return Table(form["inputs"], form["tasks"], sizes, *(part(name) for name in ("train", "validation", "test")))


def padded(column: pd.Series, most: int) -> Codes:
    """Lists of codes [rows, most]."""
    found = np.zeros((len(column), most), np.int64)
    for row, text in enumerate(column.fillna("")):
        codes = text.split()
        found[row, : len(codes)] = codes
    return found


def scaled(table: Table) -> dict[str, list[Floats]]:
    """Numbers by part, for models that are linear in them: log1p, of mean 0 and deviation 1 in training; missing is 0."""
    found: dict[str, list[Floats]] = {"train": [], "validation": [], "test": []}
    for key in table.train.numbers:
        raw = {name: part.numbers[key].astype(np.float64) for name, part in parts(table).items()}
        shrunk = {name: np.sign(values) * np.log1p(np.abs(values)) for name, values in raw.items()}
        mean, deviation = np.nanmean(shrunk["train"]), np.nanstd(shrunk["train"])
        for name, values in shrunk.items():
            found[name].append(np.nan_to_num((values - mean) / (deviation or 1)).astype(np.float32))
    return found


def parts(table: Table) -> dict[str, Part]:
    """The parts by name."""
    return {"train": table.train, "validation": table.validation, "test": table.test}


def auc(labels: Floats, scores: Floats) -> float:
    """The area under the ROC curve."""
    return float(roc_auc_score(labels, scores))


def gauc(groups: Codes, labels: Floats, scores: Floats) -> float:
    """The mean AUC of the groups that have both classes, weighted by their rows. A tie is half a win."""
    order = np.argsort(groups, kind="stable")
    bounds = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
    total = weight = 0.0
    for start, end in zip(bounds[:-1], bounds[1:]):
        rows = order[start:end]
        truth = labels[rows]
        positives, count = float(truth.sum()), len(rows)
        negatives = count - positives
        if positives == 0 or negatives == 0:
            continue
        above = float(rankdata(scores[rows])[truth == 1].sum()) - positives * (positives + 1) / 2
        total += count * above / (positives * negatives)
        weight += count
    return total / weight if weight > 0 else float("nan")
