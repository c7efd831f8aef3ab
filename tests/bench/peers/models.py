"""Multi-gate mixture-of-experts in PyTorch, as a loop over its parts and as few wide products.

The mathematics of both: every expert is linear layers with ReLU; the gate of task t is softmax(x W_t), without bias;
the tower of t is a linear layer with ReLU and a linear layer of one unit, which reads the sum of the experts weighted
by the gate; the loss is the sigmoid cross entropy, mean over the rows of the batch, summed over the tasks.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Case(NamedTuple):
    """The sizes of a model and its batch.

    `input` is the width of the encoded input. Where `sizes` are given, the input is that many one-hot columns each,
    after the numbers that make up the rest of the width. Where `vocabularies` are given, it is a vector of `k` for each,
    of so many ids, before the numbers. Where there is a `bag` of up to so many of `tags`, and a `sequence` of up to so
    many of the last vocabulary, it has a vector of each beside them.
    """

    name: str
    input: int
    experts: int
    units: tuple[int, ...]
    tower: int
    tasks: int
    batch: int
    sizes: tuple[int, ...] = ()
    vocabularies: tuple[int, ...] = ()
    k: int = 0
    bag: int = 0
    tags: int = 0
    sequence: int = 0

    @property
    def numbers(self) -> int:
        """The columns of the input that are neither one-hot nor vectors."""
        vectors = len(self.vocabularies) + (self.bag > 0) + (self.sequence > 0)
        return self.input - sum(self.sizes) - self.k * vectors

    @staticmethod
    def read(dims: dict) -> "Case":
        """A case from JSON, whose other members are ignored."""
        known = {key: dims[key] for key in Case._fields if dims.get(key) is not None}
        return Case(**{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()})


class Batch(NamedTuple):
    """One batch, ready to be read: no encoding is part of any timing."""

    x: Tensor  # [batch, input]; of ids absent
    y: Tensor  # [tasks, batch]
    numbers: Tensor  # [batch, case.numbers]
    rows: Tensor  # [batch, len(sizes)], which one-hot columns are 1; or codes of ids, [batch, len(vocabularies)]
    lists: tuple | None = None  # bags and sequences: Lists in embeddings.py

    @staticmethod
    def random(case: Case, seed: int = 0, dtype: torch.dtype = torch.float32) -> "Batch":
        """Normal numbers, uniform categories and labels, ids by Zipf's law."""
        from_seed = torch.Generator().manual_seed(seed)
        numbers = torch.randn(case.batch, case.numbers, generator=from_seed).to(dtype)
        if case.vocabularies:
            codes = torch.stack([zipf(size, case.batch, from_seed) for size in case.vocabularies], 1)
            y = torch.randint(2, (case.tasks, case.batch), generator=from_seed).to(dtype)
            return Batch(torch.empty(0), y, numbers, codes)
        codes = [torch.randint(size, (case.batch,), generator=from_seed) for size in case.sizes]
        starts = [sum(case.sizes[:at]) for at in range(len(case.sizes))]
        rows = torch.stack([a + b for a, b in zip(codes, starts)], 1) if codes else torch.empty(case.batch, 0).long()
        hot = torch.zeros(case.batch, sum(case.sizes), dtype=dtype).scatter_(1, rows, 1.0)
        y = torch.randint(2, (case.tasks, case.batch), generator=from_seed).to(dtype)
        return Batch(torch.cat((numbers, hot), 1), y, numbers, rows)


class Model(nn.Module):
    """A model that yields logits [tasks, batch]."""

    def prepared(self, batch: Batch) -> Batch:
        """A batch as the model reads it: no part of any timing."""
        return batch

    def probabilities(self, batch: Batch) -> Tensor:
        """Probabilities [tasks, batch]."""
        return torch.sigmoid(self(batch))

    def copy(self, loop: "Model") -> "Model":
        """The weights of a loop over parts."""
        self.load_state_dict(loop.state_dict())
        return self


class Eager(Model):
    """As torch-rechub's `MMOE` is written: lists of modules, a loop over experts and one over tasks.

    Without what torch-rechub adds to the model: batch normalisation, dropout and embeddings. `bmm` mixes the experts
    by a batched product instead of torch-rechub's product and sum.
    """

    def __init__(self, case: Case, bmm: bool = False):
        super().__init__()
        wide = case.units[-1]
        self.bmm = bmm
        self.experts = nn.ModuleList(layers(case.input, case.units) for _ in range(case.experts))
        self.gates = nn.ModuleList(
            nn.Sequential(nn.Linear(case.input, case.experts, bias=False), nn.Softmax(dim=1)) for _ in range(case.tasks)
        )
        self.towers = nn.ModuleList(
            nn.Sequential(*layers(wide, (case.tower,)), nn.Linear(case.tower, 1)) for _ in range(case.tasks)
        )

    def forward(self, batch: Batch) -> Tensor:
        """Logits [tasks, batch]."""
        experts = torch.stack([expert(batch.x) for expert in self.experts], 1)  # [batch, experts, units]
        logits = []
        for gate, tower in zip(self.gates, self.towers):
            weights = gate(batch.x)
            if self.bmm:
                mixed = torch.bmm(weights.unsqueeze(1), experts).squeeze(1)
            else:
                mixed = torch.sum(weights.unsqueeze(-1) * experts, 1)
            logits.append(tower(mixed).squeeze(1))
        return torch.stack(logits)

    def loss(self, batch: Batch) -> Tensor:
        """One loss per task, summed."""
        return sum(F.binary_cross_entropy_with_logits(z, y) for z, y in zip(self(batch), batch.y))


class Fused(Model):
    """All experts and gates as one wide product in the first layer, batched products after it, all gates mixed at once.

    `apart` keeps the product of the gates apart from that of the experts. `gather` sums rows of the first kernel in
    place of the product with one-hot columns.
    """

    def __init__(self, case: Case, apart: bool = False, gather: bool = False):
        super().__init__()
        self.case, self.apart, self.gather = case, apart, gather
        experts, tasks, first = case.experts, case.tasks, case.units[0]
        self.wide = experts * first
        self.kernel = parameter(case.input, self.wide) if apart else parameter(case.input, self.wide + tasks * experts)
        self.gates = parameter(case.input, tasks * experts) if apart else None
        self.bias = parameter(self.wide)
        self.register_buffer("none", torch.zeros(tasks * experts))
        self.kernels = nn.ParameterList(parameter(experts, a, b) for a, b in zip(case.units, case.units[1:]))
        self.biases = nn.ParameterList(parameter(experts, 1, b) for b in case.units[1:])
        self.tower = parameter(tasks, case.units[-1], case.tower)
        self.tower_bias = parameter(tasks, 1, case.tower)
        self.head = parameter(tasks, case.tower, 1)
        self.head_bias = parameter(tasks, 1, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [tasks, batch]."""
        case = self.case
        if self.apart:
            first, gates = self.product(batch, self.kernel, self.bias), self.product(batch, self.gates, None)
        else:
            both = self.product(batch, self.kernel, torch.cat((self.bias, self.none)))
            first, gates = both.split((self.wide, case.tasks * case.experts), 1)
        experts = torch.relu(first).view(-1, case.experts, case.units[0])
        for kernel, bias in zip(self.kernels, self.biases):
            experts = torch.relu(torch.baddbmm(bias, experts.transpose(0, 1), kernel)).transpose(0, 1)
        weights = torch.softmax(gates.view(-1, case.tasks, case.experts), 2)
        mixed = torch.bmm(weights, experts).transpose(0, 1)  # [tasks, batch, units]
        towers = torch.relu(torch.baddbmm(self.tower_bias, mixed, self.tower))
        return torch.baddbmm(self.head_bias, towers, self.head).squeeze(2)

    def product(self, batch: Batch, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """x @ kernel + bias, [batch, units]."""
        if not self.gather:
            return batch.x @ kernel if bias is None else torch.addmm(bias, batch.x, kernel)
        numbers, columns = kernel.split((batch.numbers.shape[1], kernel.shape[0] - batch.numbers.shape[1]))
        summed = F.embedding_bag(batch.rows, columns, mode="sum")
        return torch.addmm(summed if bias is None else summed + bias, batch.numbers, numbers)

    def loss(self, batch: Batch) -> Tensor:
        """The mean over all rows and tasks, times the tasks."""
        return F.binary_cross_entropy_with_logits(self(batch), batch.y) * self.case.tasks

    @torch.no_grad()
    def copy(self, eager: Eager) -> "Fused":
        """The weights of another."""
        linear = [[part for part in expert if isinstance(part, nn.Linear)] for expert in eager.experts]
        kernel = torch.cat([layers[0].weight for layers in linear]).T
        gates = torch.cat([gate[0].weight for gate in eager.gates]).T
        self.kernel.copy_(kernel if self.apart else torch.cat((kernel, gates), 1))
        if self.apart:
            self.gates.copy_(gates)
        self.bias.copy_(torch.cat([layers[0].bias for layers in linear]))
        for at, (kernels, biases) in enumerate(zip(self.kernels, self.biases), 1):
            kernels.copy_(torch.stack([layers[at].weight.T for layers in linear]))
            biases.copy_(torch.stack([layers[at].bias[None] for layers in linear]))
        self.tower.copy_(torch.stack([tower[0].weight.T for tower in eager.towers]))
        self.tower_bias.copy_(torch.stack([tower[0].bias[None] for tower in eager.towers]))
        self.head.copy_(torch.stack([tower[2].weight.T for tower in eager.towers]))
        self.head_bias.copy_(torch.stack([tower[2].bias[None] for tower in eager.towers]))
        return self


def zipf(size: int, count: int, from_seed: torch.Generator) -> Tensor:
    """Codes, the n-th most frequent 1 / n times as often as the first, the frequent ones spread among all."""
    uniform = torch.rand(count, generator=from_seed, dtype=torch.float64)
    return ((size + 1) ** uniform).floor().long().sub(1).mul(SPREAD).remainder(size)


# A prime number, which no size of a vocabulary has for a factor.
SPREAD = 611_953


def layers(width: int, units: tuple[int, ...]) -> nn.Sequential:
    """Linear layers, each with ReLU."""
    widths = (width, *units)
    return nn.Sequential(*(part for a, b in zip(widths, units) for part in (nn.Linear(a, b), nn.ReLU())))


def parameter(*shape: int) -> nn.Parameter:
    """Small uniform numbers, which no timing depends on."""
    return nn.Parameter(torch.empty(shape).uniform_(-0.05, 0.05))
