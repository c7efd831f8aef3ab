"""Vectors of ids below a model: how they are looked up, and what trains them."""

import torch
from torch import Tensor, nn

from models import Batch, Case, Eager, Fused, Model


class Tables(nn.Module):
    """A table for each feature, as they are written by hand."""

    def __init__(self, case: Case, sparse: bool):
        super().__init__()
        self.tables = nn.ModuleList(table(size, case.k, sparse) for size in case.vocabularies)

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of codes [batch, features], side by side: [batch, features * k]."""
        return torch.cat([one(codes[:, at]) for at, one in enumerate(self.tables)], 1)

    def copy(self, tables: "Tables") -> "Tables":
        """The vectors of another."""
        self.load_state_dict(tables.state_dict())
        return self


class OneTable(nn.Module):
    """One table of all vectors, looked up at once."""

    def __init__(self, case: Case, sparse: bool):
        super().__init__()
        self.table = table(sum(case.vocabularies), case.k, sparse)
        starts = [sum(case.vocabularies[:at]) for at in range(len(case.vocabularies))]
        self.register_buffer("starts", torch.tensor(starts))

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of codes [batch, features], side by side: [batch, features * k]."""
        return self.table(codes + self.starts).flatten(1)

    @torch.no_grad()
    def copy(self, tables: Tables) -> "OneTable":
        """The vectors of another."""
        self.table.weight.copy_(torch.cat([one.weight for one in tables.tables]))
        return self


class Fbgemm(nn.Module):
    """FBGEMM's tables, which the backward pass trains: row-wise Adagrad, one number of state for each vector."""

    def __init__(self, case: Case, rate: float = 0.05, eps: float = 1e-8):
        super().__init__()
        from fbgemm_gpu.split_embedding_configs import EmbOptimType
        from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation
        from fbgemm_gpu.split_table_batched_embeddings_ops_training import ComputeDevice
        from fbgemm_gpu.split_table_batched_embeddings_ops_training import SplitTableBatchedEmbeddingBagsCodegen as Bags

        specs = [(size, case.k, EmbeddingLocation.HOST, ComputeDevice.CPU) for size in case.vocabularies]
        self.bags = Bags(specs, optimizer=EmbOptimType.EXACT_ROWWISE_ADAGRAD, learning_rate=rate, eps=eps)
        self.register_buffer("starts", torch.arange(case.batch * len(case.vocabularies) + 1))
        for weights in self.bags.split_embedding_weights():
            weights.uniform_(-0.05, 0.05)

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of codes [batch, features], side by side: [batch, features * k]."""
        return self.bags(codes.T.reshape(-1), self.starts)


class Embedded(Model):
    """A model of vectors, side by side, and numbers."""

    def __init__(self, tables: nn.Module, dense: Eager | Fused):
        super().__init__()
        self.tables, self.dense = tables, dense

    def looked_up(self, batch: Batch) -> Batch:
        """A batch whose x is what the model reads."""
        return batch._replace(x=torch.cat((self.tables(batch.rows), batch.numbers), 1))

    def forward(self, batch: Batch) -> Tensor:
        """Logits [tasks, batch]."""
        return self.dense(self.looked_up(batch))

    def loss(self, batch: Batch) -> Tensor:
        """That of the model."""
        return self.dense.loss(self.looked_up(batch))

    @torch.no_grad()
    def copy(self, loop: "Embedded") -> "Embedded":
        """The weights of a loop over tables and experts."""
        self.tables.copy(loop.tables)
        self.dense.copy(loop.dense)
        return self


def table(size: int, k: int, sparse: bool) -> nn.Embedding:
    """Small uniform vectors."""
    return nn.Embedding(size, k, sparse=sparse, _weight=torch.empty(size, k).uniform_(-0.05, 0.05))


def optimisers(of: nn.Module, rule: str, fused: bool) -> list[torch.optim.Optimizer]:
    """Adam of the model, and what trains its tables: a rule that is none leaves them to whoever does."""
    adam = {"lr": 1e-3, "fused": fused or None}
    if not isinstance(of, Embedded) or rule == "all":
        return [torch.optim.Adam(of.parameters(), **adam)]
    tables, found = of.tables.parameters(), [torch.optim.Adam(of.dense.parameters(), **adam)]
    if rule == "SparseAdam":
        found.append(torch.optim.SparseAdam(tables, lr=1e-3))
    elif rule == "sparse Adagrad":
        found.append(torch.optim.Adagrad(tables, lr=0.05))
    elif rule == "dense Adam":
        found.append(torch.optim.Adam(tables, lr=1e-3, fused=True))
    return found
