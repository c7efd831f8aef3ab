"""Losses and metrics of an evaluation, exact, over all rows of all workers."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .job import Job, Task
from .tensors import Array, Arrays, Doubles

Run = Callable[[dict[str, Array]], Arrays]


def evaluated(job: Job, place: int, rows: Arrays, run: Run) -> dict[str, Any]:
    """Sums of losses and weights over a row group, and its rows' predictions and labels by task."""
    count, at_once = len(next(iter(rows.values()))), job.raw["evaluate"]["rows"]
    sums: dict[str, float] = defaultdict(float)
    held: dict[str, list[Array]] = {}
    for start in range(0, count, at_once):
        piece = {name: array[start : start + at_once] for name, array in rows.items()}
        found = run(piece)
        for output in job.graphs["evaluate"].outputs:
            value = found[output.name]
            if output.role in ("prediction", "logits"):
                held.setdefault(output.name, []).append(value)
                continue
            weight = len(next(iter(piece.values()))) if output.role == "auxiliary" else 1.0
            if output.role == "loss":
                weight = float(found[f"weight/{output.name.removeprefix('loss/')}"])
            sums[output.name] += float(value) * weight if weight > 0 else 0.0
    tasks = {}
    for task in job.tasks:
        prediction, logits = (np.concatenate(held[name]) for name in (task.name, f"logits/{task.name}"))
        label, weights = rows[f"labels/{task.name}"].reshape(-1), rows[f"weights/{task.name}"]
        tasks[task.name] = {"prediction": prediction, "logits": logits, "label": label, "weight": weights}
    return {"place": place, "rows": count, "sums": sums, "tasks": tasks}


def judge(job: Job, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The evaluation of pieces, which may come in any order."""
    ordered = sorted(pieces, key=lambda piece: int(piece["place"]))
    rows = sum(piece["rows"] for piece in ordered)
    sums: dict[str, float] = defaultdict(float)
    for piece in ordered:
        for name, value in piece["sums"].items():
            sums[name] += value
    loss: dict[str, float] = {}
    metrics: dict[str, dict[str, float]] = {}
    for task in job.tasks:
        weight = sums[f"weight/{task.name}"]
        loss[task.name] = sums[f"loss/{task.name}"] / weight if weight > 0 else float("nan")
        own = [piece["tasks"][task.name] for piece in ordered]
        held = {name: np.concatenate([one[name] for one in own]) for name in own[0]}
        metrics[task.name] = _metrics(task, loss[task.name], held)
    auxiliary = {name.removeprefix("auxiliary/"): sums[name] / rows for name in sums if name.startswith("auxiliary/")}
    return {"loss": loss, "auxiliary": auxiliary, "metrics": metrics}


def _metrics(task: Task, loss: float, held: Arrays) -> dict[str, float]:
    counts = held["weight"] > 0
    weights, labels, predictions, logits = (
        held[name][counts].astype(np.float64) for name in ("weight", "label", "prediction", "logits")
    )
    labels = labels * task.label.scale + task.label.mean
    found: dict[str, float] = {}
    for name, metric in task.metrics.items():
        match metric["kind"]:
            case "loss":
                found[name] = loss
            case "auc":
                found[name] = auc(logits.reshape(-1) if metric["of"] == "logits" else predictions, labels, weights)
            case "accuracy" | "categoricalAccuracy":
                found[name] = _mean(_right(predictions, labels), weights)
            case "mse":
                found[name] = _mean((predictions - labels) ** 2, weights)
            case "mae":
                found[name] = _mean(np.abs(predictions - labels), weights)
            case "r2":
                found[name] = _determination(predictions, labels, weights)
            case "deviance":
                found[name] = _mean(_deviances(predictions, labels), weights)
    return found


def auc(scores: Doubles, labels: Doubles, weights: Doubles) -> float:
    """The share of pairs of a positive and a negative row in the right order, ties counting half, by one sort."""
    if np.isnan(scores).any():
        return float("nan")
    _, places = np.unique(scores, return_inverse=True)
    ups, downs = (np.bincount(places, weights * (positive == (labels > 0.5))) for positive in (True, False))
    below = np.cumsum(downs) - downs
    pairs = ups.sum() * downs.sum()
    return float((ups * (below + downs / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _right(predictions: Doubles, labels: Doubles) -> Doubles:
    """1 for each row that is right, NaN where its predictions are."""
    if predictions.ndim == 1:
        return np.where(np.isnan(predictions), np.nan, (predictions > 0.5) == (labels > 0.5))
    return np.where(np.isnan(predictions).any(axis=1), np.nan, np.argmax(predictions, axis=1) == labels)


def _deviances(predictions: Doubles, labels: Doubles) -> Doubles:
    """The Poisson deviance of each row, 2 (y log(y / p) - y + p)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(labels > 0, labels * np.log(labels / predictions), 0)
    found: Doubles = 2 * (logs - labels + predictions)
    return found


def _determination(predictions: Doubles, labels: Doubles, weights: Doubles) -> float:
    """1 - squared errors / squared distances from the mean label; NaN if all labels are equal."""
    if len(labels) == 0 or (labels == labels[0]).all():
        return float("nan")
    spread = (weights * (labels - np.average(labels, weights=weights)) ** 2).sum()
    return float(1 - (weights * (predictions - labels) ** 2).sum() / spread)


def _mean(values: Doubles, weights: Doubles) -> float:
    return float((values * weights).sum() / weights.sum()) if len(values) else float("nan")
