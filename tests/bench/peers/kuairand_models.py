"""The peers on KuaiRand: each is trained on the first part of a table, and chosen and stopped on its second.

A model is a function of a table and a seed. It returns probabilities [rows, tasks] of the rows to validate and to test on,
and the seconds of the trainings that were chosen, one after the other. Nothing looks at labels of the test part.
"""

import copy
import os
import time
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple

import numpy as np
from scipy import sparse

from kuairand_table import Floats, Part, Table, auc, parts, scaled

if TYPE_CHECKING:  # each peer imports its own library alone, which its memory counts
    import torch


class Predicted(NamedTuple):
    """What a model predicts."""

    validation: Floats
    test: Floats
    seconds: float


Model = Callable[[Table, int], Predicted]


def logistic(table: Table, seed: int) -> Predicted:
    """scikit-learn's logistic regression over one-hot codes; for each task the best of some strengths of L2."""
    from sklearn.linear_model import LogisticRegression

    x = one_hot(table)
    columns, seconds = [], 0.0
    for at in range(len(table.tasks)):
        best: tuple[float, list[Floats], float] | None = None
        for strength in (0.1, 0.3, 0.8):
            start = time.perf_counter()
            # The dual problem is the fastest here: lbfgs has not converged after 200 passes.
            model = LogisticRegression(
                C=strength, solver="liblinear", dual=True, tol=1e-3, max_iter=500, random_state=seed
            )
            model.fit(x["train"], table.train.labels[:, at])
            took = time.perf_counter() - start
            found = [model.predict_proba(x[name])[:, 1].astype(np.float32) for name in ("validation", "test")]
            score = auc(table.validation.labels[:, at], found[0])
            if best is None or score > best[0]:
                best = score, found, took
        assert best is not None
        columns.append(best[1])
        seconds += best[2]
    return Predicted(*(np.stack(each, 1) for each in zip(*columns)), seconds)


def one_hot(table: Table) -> dict[str, sparse.csr_matrix]:
    """One column for each code, and one for each number. A list has the mean of its codes."""
    numbers = scaled(table)

    def of(name: str, part: Part) -> sparse.csr_matrix:
        blocks = [one_hot_block(codes[:, None], table.sizes[key]) for key, codes in part.categories.items()]
        blocks += [one_hot_block(codes, table.sizes[key]) for key, codes in part.lists.items()]
        return sparse.hstack([*blocks, np.stack(numbers[name], 1)], "csr", np.float32)

    return {name: of(name, part) for name, part in parts(table).items()}


def one_hot_block(codes: np.ndarray, size: int) -> sparse.csr_matrix:
    """Codes [rows, most] as columns [rows, size]; code 0 of a list is none."""
    rows, most = codes.shape
    kept = np.ones_like(codes, bool) if most == 1 else codes > 0
    counts = kept.sum(1)
    values = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return sparse.csr_matrix((values, codes[kept], np.concatenate([[0], np.cumsum(counts)])), (rows, size))


def lightgbm(table: Table, seed: int) -> Predicted:
    """LightGBM, a model a task, with early stopping; for each task the best of with and without ids of many words."""
    import lightgbm as gbm

    columns, seconds = [], 0.0
    for at in range(len(table.tasks)):
        best: tuple[float, list[Floats], float] | None = None
        for ids in (True, False):
            x, names, categories = trees_input(table, ids)
            start = time.perf_counter()
            train = gbm.Dataset(x["train"], table.train.labels[:, at], feature_name=names, categorical_feature=categories)
            check = train.create_valid(x["validation"], table.validation.labels[:, at])
            options = {
                "objective": "binary",
                "metric": "auc",
                "learning_rate": 0.05,
                "num_leaves": 63,
                "min_data_in_leaf": 50,
                "feature_fraction": 0.6,
                "bagging_fraction": 0.8,
                "bagging_freq": 1,
                "lambda_l2": 10,
                "cat_smooth": 50,
                "cat_l2": 20,
                "max_cat_threshold": 128,
                "num_threads": int(os.environ["OMP_NUM_THREADS"]),
                "seed": seed,
                "verbosity": -1,
            }
            stop = gbm.early_stopping(50, verbose=False)
            model = gbm.train(options, train, 1000, valid_sets=[check], callbacks=[stop])
            took = time.perf_counter() - start
            found = [np.asarray(model.predict(x[name]), np.float32) for name in ("validation", "test")]
            score = auc(table.validation.labels[:, at], found[0])
            if best is None or score > best[0]:
                best = score, found, took
        assert best is not None
        columns.append(best[1])
        seconds += best[2]
    return Predicted(*(np.stack(each, 1) for each in zip(*columns)), seconds)


# Vocabularies above this are ids, whose splits fit the rows to train on alone.
MANY = 1000


def trees_input(table: Table, ids: bool) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """Numbers as they are, and codes; of a list its first code."""
    first = table.train
    categories = [key for key in [*first.categories, *first.lists] if ids or table.sizes[key] <= MANY]

    def of(part: Part) -> np.ndarray:
        codes = part.categories | {key: codes[:, 0] for key, codes in part.lists.items()}
        return np.stack([*(codes[key] for key in categories), *part.numbers.values()], 1).astype(np.float32)

    # Names are letters and digits in files of LightGBM.
    names = [f"c{at}" for at in range(len(categories))] + [f"n{at}" for at in range(len(first.numbers))]
    return {name: of(part) for name, part in parts(table).items()}, names, names[: len(categories)]


K = 16
EPOCHS = 6
BATCH = 512


def rechub(kind: str) -> Model:
    """torch-rechub's MMOE or PLE, k 16, Adam as its trainer has it; the best epoch and decay by the mean AUC."""

    def model(table: Table, seed: int) -> Predicted:
        import torch
        from torch import nn
        from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
        from torch_rechub.models.multi_task import MMOE, PLE

        names = named(table)
        first = table.train
        features = [SparseFeature(names[key], table.sizes[key], K) for key in first.categories]
        features += [
            SequenceFeature(names[key], table.sizes[key], K, pooling="mean", padding_idx=0) for key in first.lists
        ]
        features += [DenseFeature(names[key]) for key in first.numbers]
        numbers = scaled(table)
        x = {}
        for part_name, part in parts(table).items():
            columns = {names[key]: torch.from_numpy(codes) for key, codes in (part.categories | part.lists).items()}
            for key, values in zip(part.numbers, numbers[part_name]):
                columns[names[key]] = torch.from_numpy(values)
            x[part_name] = columns
        tasks = len(table.tasks)
        towers = [{"dims": [16]} for _ in range(tasks)]
        kinds = ["classification"] * tasks
        experts = {"dims": [64, 32]}
        labels = torch.from_numpy(first.labels)

        def candidate(decay: float) -> Iterator[tuple[float, list[Floats], float]]:
            torch.manual_seed(seed)
            net: nn.Module = (
                MMOE(features, kinds, 4, experts, towers)
                if kind == "MMOE"
                else PLE(features, kinds, 1, 1, 1, experts, towers)
            )
            fresh(features)
            update = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=decay)
            for epoch in range(EPOCHS):
                start = time.perf_counter()
                net.train()
                for rows in torch.randperm(first.rows).split(BATCH):
                    update.zero_grad(set_to_none=True)
                    found = net({key: values[rows] for key, values in x["train"].items()})
                    loss = sum(nn.functional.binary_cross_entropy(found[:, at], labels[rows, at]) for at in range(tasks))
                    (loss / tasks).backward()
                    update.step()
                took = time.perf_counter() - start
                net.eval()
                with torch.inference_mode():
                    predicted = [predict(net, x[name]) for name in ("validation", "test")]
                yield mean_auc(table.validation, predicted[0]), predicted, took

        best = max((stopped(candidate(decay)) for decay in (1e-5, 1e-4)), key=lambda found: found[0])
        return Predicted(*best[1], best[2])

    def predict(net: "torch.nn.Module", columns: "dict[str, torch.Tensor]") -> Floats:
        rows = len(next(iter(columns.values())))
        starts = range(0, rows, 4096)
        some = [net({key: values[at : at + 4096] for key, values in columns.items()}).numpy() for at in starts]
        return np.concatenate(some)

    return model


def fresh(features: list[object]) -> None:
    """Forgets the tables of features, which torch-rechub keeps with them: another model would go on with these."""
    for feature in features:
        if hasattr(feature, "embed"):
            del feature.embed


def stopped(epochs: Iterator[tuple[float, list[Floats], float]]) -> tuple[float, list[Floats], float]:
    """The best epoch, and the seconds until its end; no epoch follows one that is worse than that before it."""
    best: tuple[float, list[Floats], float] | None = None
    seconds = 0.0
    for score, predicted, took in epochs:
        seconds += took
        if best is not None and score <= best[0]:
            break
        best = score, copy.deepcopy(predicted), seconds
    assert best is not None
    return best


def mean_auc(part: Part, predicted: Floats) -> float:
    """The mean of the tasks' AUC."""
    return float(np.mean([auc(part.labels[:, at], predicted[:, at]) for at in range(predicted.shape[1])]))


def dcn(table: Table, seed: int) -> Predicted:
    """DeepCTR-Torch's DCN-v2 by its own fit, a net a task, k 16; for each task the best epoch and L2."""
    from deepctr_torch.inputs import DenseFeat, SparseFeat, VarLenSparseFeat
    from deepctr_torch.models import DCN

    names = named(table)
    first = table.train
    features = [SparseFeat(names[key], table.sizes[key], K) for key in first.categories]
    for key, codes in first.lists.items():
        feature = SparseFeat(names[key], table.sizes[key], K)
        features.append(VarLenSparseFeat(feature, maxlen=codes.shape[1], combiner="mean"))
    features += [DenseFeat(names[key], 1) for key in first.numbers]
    numbers = scaled(table)
    x = {
        name: {names[key]: codes for key, codes in (part.categories | part.lists).items()}
        | {names[key]: values for key, values in zip(part.numbers, numbers[name])}
        for name, part in parts(table).items()
    }

    def candidate(at: int, decay: float) -> Iterator[tuple[float, list[Floats], float]]:
        net = DCN(
            features,
            features,
            cross_num=2,
            cross_parameterization="matrix",
            dnn_hidden_units=(64, 32),
            l2_reg_embedding=decay,
            seed=seed,
        )
        net.compile("adam", "binary_crossentropy")
        for epoch in range(EPOCHS):
            start = time.perf_counter()
            net.fit(x["train"], first.labels[:, at], BATCH, epochs=1, verbose=0)
            took = time.perf_counter() - start
            found = [net.predict(x[name], 4096)[:, 0].astype(np.float32) for name in ("validation", "test")]
            yield auc(table.validation.labels[:, at], found[0]), found, took

    columns, seconds = [], 0.0
    for at in range(len(table.tasks)):
        best = max((stopped(candidate(at, decay)) for decay in (1e-5, 1e-4)), key=lambda found: found[0])
        columns.append(best[1])
        seconds += best[2]
    return Predicted(*(np.stack(each, 1) for each in zip(*columns)), seconds)


def named(table: Table) -> dict[str, str]:
    """Names that a module of PyTorch can have."""
    keys = [*table.train.categories, *table.train.lists, *table.train.numbers]
    return {key: f"f{at}" for at, key in enumerate(keys)}


MODELS: dict[str, Model] = {
    "logistic regression": logistic,
    "torch-rechub MMOE": rechub("MMOE"),
    "torch-rechub PLE": rechub("PLE"),
    "DeepCTR-Torch DCN-v2": dcn,
    "LightGBM": lightgbm,
}
