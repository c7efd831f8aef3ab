"""torch-rechub's own multi-gate mixture-of-experts, from its package."""

from importlib import metadata

import torch
from torch import Tensor, nn

from models import Batch, Case, Model


def version() -> str:
    """The package's version; fails where it is missing."""
    import torch_rechub.models.multi_task  # noqa: F401

    return metadata.version("torch-rechub")


class Rechub(Model):
    """`MMOE` as it is, or plain: without its batch norms.

    It is the model of models.py, but that its gates have biases, and that batch norms, also on the gates, stand before
    every activation. Its loss is the mean over the tasks, as its trainer has it.
    """

    def __init__(self, case: Case, plain: bool):
        super().__init__()
        from torch_rechub.basic.features import SparseFeature
        from torch_rechub.models.multi_task import MMOE

        features = [SparseFeature(name(at), size, case.k) for at, size in enumerate(case.vocabularies)]
        towers = [{"dims": [case.tower]} for _ in range(case.tasks)]
        kinds = ["classification"] * case.tasks
        self.mmoe = MMOE(features, kinds, case.experts, {"dims": list(case.units)}, towers)
        if plain:
            without_norms(self.mmoe)

    def prepared(self, batch: Batch) -> Batch:
        """A batch as it is read: a column of codes for each feature, and labels [batch, tasks]."""
        codes = {name(at): column.contiguous() for at, column in enumerate(batch.rows.T)}
        return batch._replace(x=codes, y=batch.y.T.contiguous())

    def probabilities(self, batch: Batch) -> Tensor:
        """Probabilities [batch, tasks]."""
        return self.mmoe(batch.x)

    def loss(self, batch: Batch) -> Tensor:
        """The cross entropy, mean over rows and tasks."""
        found, tasks = self.mmoe(batch.x), batch.y.shape[1]
        return sum(nn.functional.binary_cross_entropy(found[:, at], batch.y[:, at]) for at in range(tasks)) / tasks


def name(at: int) -> str:
    """The name of a feature."""
    return f"id {at}"


def without_norms(of: nn.Module) -> None:
    """Takes batch norms out."""
    for key, part in of.named_children():
        if isinstance(part, nn.BatchNorm1d):
            setattr(of, key, nn.Identity())
        else:
            without_norms(part)
