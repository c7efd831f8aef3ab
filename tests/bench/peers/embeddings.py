"""Vectors of ids below a model: how they are looked up and pooled, and what trains them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models import Batch, Case, Eager, Fused, Model, zipf

# The units of the hidden layer of target attention.
HIDDEN = 36


class Lists(NamedTuple):
    """The lists of a batch, ready to be read."""

    tags: Tensor  # the codes of all bags, one after the other
    tag_starts: Tensor  # [batch], where each bag begins
    watched: Tensor  # the codes of all sequences, one after the other
    places: Tensor  # of each of them its place in [batch * sequence]
    owners: Tensor  # of each of them its row
    there: Tensor  # [batch, sequence], 1 where a place has a code, else 0

    @staticmethod
    def random(case: Case, seed: int) -> "Lists":
        """Bags and sequences of any length up to the most, of the tags and of the last vocabulary."""
        from_seed = torch.Generator().manual_seed(seed)
        tags, watched = (torch.randint(most + 1, (case.batch,), generator=from_seed) for most in (case.bag, case.sequence))
        there = torch.arange(case.sequence) < watched[:, None]
        places = there.flatten().nonzero().squeeze(1)
        return Lists(
            zipf(case.tags, int(tags.sum()), from_seed),
            tags.cumsum(0) - tags,
            zipf(case.vocabularies[-1], len(places), from_seed),
            places,
            places // case.sequence,
            there.float(),
        )


class Tables(nn.Module):
    """A table for each feature, as they are written by hand."""

    def __init__(self, case: Case, sparse: bool):
        super().__init__()
        self.tables = nn.ModuleList(table(size, case.k, sparse) for size in case.vocabularies)
        self.tags = nn.EmbeddingBag(case.tags, case.k, mode="mean", sparse=sparse) if case.bag else None

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of codes [batch, features], side by side: [batch, features * k]."""
        return torch.cat([one(codes[:, at]) for at, one in enumerate(self.tables)], 1)

    def pooled(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The means of the bags, [batch, k], and the vectors of all sequences, [codes, k]."""
        return self.tags(batch.lists.tags, batch.lists.tag_starts), self.tables[-1](batch.lists.watched)

    def copy(self, tables: "Tables") -> "Tables":
        """The vectors of another."""
        self.load_state_dict(tables.state_dict())
        return self


class OneTable(nn.Module):
    """One table of all vectors, looked up at once."""

    def __init__(self, case: Case, sparse: bool):
        super().__init__()
        self.table = table(sum(case.vocabularies), case.k, sparse)
        self.tags = nn.EmbeddingBag(case.tags, case.k, mode="mean", sparse=sparse) if case.bag else None
        starts = [sum(case.vocabularies[:at]) for at in range(len(case.vocabularies))]
        self.register_buffer("starts", torch.tensor(starts))

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of codes [batch, features], side by side: [batch, features * k]."""
        return self.table(codes + self.starts).flatten(1)

    def pooled(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The means of the bags, [batch, k], and the vectors of all sequences, [codes, k]."""
        lists = batch.lists
        return self.tags(lists.tags, lists.tag_starts), self.table(lists.watched + self.starts[-1])

    @torch.no_grad()
    def copy(self, tables: Tables) -> "OneTable":
        """The vectors of another."""
        self.table.weight.copy_(torch.cat([one.weight for one in tables.tables]))
        if self.tags is not None:
            self.tags.load_state_dict(tables.tags.state_dict())
        return self


class Fbgemm(nn.Module):
    """FBGEMM's tables, which the backward pass trains: row-wise Adagrad, one number of state for each vector.

    A place of a sequence is a feature of its own, a bag of one or none, so that one call looks up all there is. Features
    of one table are neighbours: FBGEMM sums the gradients of no others before it trains a vector.
    """

    def __init__(self, case: Case, rate: float = 0.05, eps: float = 1e-8):
        super().__init__()
        from fbgemm_gpu.split_embedding_configs import EmbOptimType
        from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation
        from fbgemm_gpu.split_table_batched_embeddings_ops_training import ComputeDevice
        from fbgemm_gpu.split_table_batched_embeddings_ops_training import SplitTableBatchedEmbeddingBagsCodegen as Bags

        ids = len(case.vocabularies)
        sizes = [*case.vocabularies, *([case.tags] if case.bag else [])]
        specs = [(size, case.k, EmbeddingLocation.HOST, ComputeDevice.CPU) for size in sizes]
        features = [*range(ids), *[ids - 1] * case.sequence, *range(ids, len(sizes))]
        optimiser = {"optimizer": EmbOptimType.EXACT_ROWWISE_ADAGRAD, "learning_rate": rate, "eps": eps}
        self.ids, self.k = ids, case.k
        self.bags = Bags(specs, feature_table_map=features, **optimiser)
        for weights in self.bags.split_embedding_weights():
            weights.uniform_(-0.05, 0.05)

    def prepared(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Codes by feature, the positions at which their bags begin, and their weights."""
        codes, counts = batch.rows.T.reshape(-1), torch.ones(batch.rows.numel(), dtype=torch.long)
        if batch.lists is None:
            return codes, starts_of(counts), None
        tags, tag_starts, watched, places, _, there = batch.lists
        lengths = torch.diff(tag_starts, append=torch.tensor([len(tags)]))
        by_place = torch.zeros(there.numel(), dtype=torch.long)
        by_place[places] = watched
        columns = there.bool().T.flatten()
        found = by_place.view(there.shape).T.flatten()[columns]
        weights = torch.cat((torch.ones(len(codes) + len(found)), (1 / lengths).repeat_interleave(lengths)))
        counts = torch.cat((counts, columns.long(), lengths))
        return torch.cat((codes, found, tags)), starts_of(counts), weights

    def forward(self, read: tuple[Tensor, Tensor, Tensor | None]) -> Tensor:
        """The vectors of ids, places and bags, side by side: [batch, features * k]."""
        codes, starts, weights = read
        return self.bags(codes, starts, per_sample_weights=weights)


class Attention(nn.Module):
    """The local activation unit of the Deep Interest Network: a net of [target, vector, difference, product].

    `apart` computes what the target alone decides once a row; `jagged` does not compute places that have no code.
    """

    def __init__(self, k: int, apart: bool, jagged: bool):
        super().__init__()
        self.apart, self.jagged = apart, jagged
        self.hidden, self.score = nn.Linear(4 * k, HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, target: Tensor, vectors: Tensor, owners: Tensor, there: Tensor) -> Tensor:
        """The sum of vectors weighted by their scores, [batch, k].

        Vectors are [codes, k] where jagged, each of its owner's row, else [batch, sequence, k].
        """
        if self.jagged:
            weighted = self.scores(target, vectors, owners) * vectors
            return torch.zeros_like(target).index_add(0, owners, weighted)
        return (self.scores(target[:, None], vectors, None) * there[:, :, None] * vectors).sum(1)

    def scores(self, target: Tensor, vectors: Tensor, owners: Tensor | None) -> Tensor:
        """The score of each vector, [..., 1]."""
        each = target if owners is None else target[owners]
        if not self.apart:
            each = each.expand_as(vectors)
            read = self.hidden(torch.cat((each, vectors, each - vectors, each * vectors), -1))
            return self.score(torch.relu(read))
        a, b, c, d = self.hidden.weight.chunk(4, 1)
        once = nn.functional.linear(target, a + c, self.hidden.bias)
        products = torch.cat((vectors, each * vectors), -1)
        rest = nn.functional.linear(products, torch.cat((b - c, d), 1))
        return self.score(torch.relu(rest + (once if owners is None else once[owners])))


class Embedded(Model):
    """A model of vectors, side by side, of bags and sequences pooled, and of numbers."""

    def __init__(self, tables: nn.Module, dense: Eager | Fused, attention: Attention | None = None):
        super().__init__()
        self.tables, self.dense, self.attention = tables, dense, attention

    def prepared(self, batch: Batch) -> Batch:
        """A batch as its tables read it."""
        return batch._replace(rows=self.tables.prepared(batch)) if isinstance(self.tables, Fbgemm) else batch

    def looked_up(self, batch: Batch) -> Batch:
        """A batch whose x is what the model reads."""
        vectors = self.tables(batch.rows)
        if self.attention is None:
            return batch._replace(x=torch.cat((vectors, batch.numbers), 1))
        lists = batch.lists
        rows, places = lists.there.shape
        k = self.attention.hidden.in_features // 4
        if isinstance(self.tables, Fbgemm):
            ids, sequences, tags = vectors.split((self.tables.ids * k, places * k, k), 1)
            sequences = sequences.view(rows, places, k)
            if self.attention.jagged:
                sequences = sequences.flatten(0, 1)[lists.places]
        else:
            ids, (tags, sequences) = vectors, self.tables.pooled(batch)
            if not self.attention.jagged:
                padded = torch.zeros(rows * places, k, dtype=sequences.dtype)
                sequences = padded.index_copy(0, lists.places, sequences).view(rows, places, k)
        interest = self.attention(ids[:, -k:], sequences, lists.owners, lists.there)
        return batch._replace(x=torch.cat((ids, tags, interest, batch.numbers), 1))

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
        if self.attention is not None:
            self.attention.load_state_dict(loop.attention.state_dict())
        return self


def starts_of(counts: Tensor) -> Tensor:
    """Where bags begin, and the end of the last."""
    return torch.cat((torch.zeros(1, dtype=torch.long), counts.cumsum(0)))


def table(size: int, k: int, sparse: bool) -> nn.Embedding:
    """Small uniform vectors."""
    return nn.Embedding(size, k, sparse=sparse, _weight=torch.empty(size, k).uniform_(-0.05, 0.05))


def optimisers(of: nn.Module, rule: str, fused: bool) -> list[torch.optim.Optimizer]:
    """Adam of the model, and what trains its tables: a rule that is none leaves them to whoever does."""
    adam = {"lr": 1e-3, "fused": fused or None}
    if not isinstance(of, Embedded) or rule == "all":
        return [torch.optim.Adam(of.parameters(), **adam)]
    tables = list(of.tables.parameters())
    own = {id(part) for part in tables}
    found = [torch.optim.Adam([part for part in of.parameters() if id(part) not in own], **adam)]
    if rule == "SparseAdam":
        found.append(torch.optim.SparseAdam(tables, lr=1e-3))
    elif rule == "sparse Adagrad":
        found.append(torch.optim.Adagrad(tables, lr=0.05))
    elif rule == "dense Adam":
        found.append(torch.optim.Adam(tables, lr=1e-3, fused=True))
    return found
