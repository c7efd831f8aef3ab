"""Whether all forms of the model are one model."""

from copy import deepcopy

import torch
from torch import nn

import timing
from embeddings import Attention, Embedded, Fbgemm, Tables
from models import Batch, Case, Eager, Fused
from rechub import Rechub, without_norms

CASES = (
    Case("one layer", input=20, experts=4, units=(8,), tower=6, tasks=2, batch=32),
    Case("three layers", input=10, experts=3, units=(8, 6, 4), tower=5, tasks=3, batch=32),
    Case("one-hot", input=15, experts=4, units=(8, 4), tower=6, tasks=2, batch=32, sizes=(2, 7, 3)),
)
IDS = Case("ids", input=3 * 4 + 5, experts=4, units=(8, 4), tower=6, tasks=2, batch=32, vocabularies=(5, 40, 90), k=4)
LISTS = IDS._replace(name="lists", input=5 * 4 + 5, bag=3, tags=7, sequence=6)
TOLERANCE = 1e-5


def check() -> None:
    """From the weights of the loop: the same probabilities, loss and gradients, and the same weights after one step.

    Those after a step are compared in float64: where a gradient is next to none, the first step of Adam is its sign,
    which in float32 a rounding error decides.
    """
    for case in (*CASES, IDS, LISTS):
        for form in timing.forms(case, "torch eager") + timing.forms(case, "torch fused"):
            for dtype, steps in ((torch.float32, 0), (torch.float64, 1)):
                torch.manual_seed(3)
                loop = timing.model(case, "loop, tables").to(dtype)
                other = like(loop, timing.model(case, form).to(dtype))
                found, wanted = (outcome(of, timing.batch(case, 5, dtype), steps) for of in (other, loop))
                worst = max((a - b).abs().max().item() for a, b in zip(found[:2], wanted[:2]))
                for at in (2, 3):
                    pairs = zip(found[at].parameters(), like(wanted[at], found[at]).parameters())
                    worst = max(worst, *((a - b).abs().max().item() for a, b in pairs))
                assert worst <= TOLERANCE, f"{case.name}, {form}, {dtype}: differs from the loop by {worst}"
                print(f"{case.name}, {form}, {dtype}: differs from the loop by {worst:.1e}")


def check_rechub() -> None:
    """torch-rechub's model, its norms taken out and the biases of its gates 0, is the loop over tables and experts."""
    case = IDS._replace(input=3 * 4)
    loop, other = Embedded(Tables(case, False), Eager(case)), Rechub(case, plain=False).eval()
    weights, own = (sum(part.numel() for part in of.parameters()) for of in (loop, other))
    norms = 2 * (case.experts * sum(case.units) + case.tasks * (case.experts + case.tower))
    assert own == weights + norms + case.tasks * case.experts, f"torch-rechub has {own} weights, the loop {weights}"
    without_norms(other.mmoe)
    with torch.no_grad():
        for gate in other.mmoe.gates:
            gate.mlp[0].bias.zero_()
        linear = lambda of: [part for part in of.modules() if isinstance(part, nn.Linear)]  # noqa: E731
        for of, mine in (("experts", loop.dense.experts), ("gates", loop.dense.gates), ("towers", loop.dense.towers)):
            for a, b in zip(linear(mine), linear(getattr(other.mmoe, of))):
                a.load_state_dict(b.state_dict(), strict=of != "gates")
        for mine, its in zip(loop.tables.tables, other.mmoe.embedding.embed_dict.values()):
            mine.weight.copy_(its.weight)
        batch = Batch.random(case, 5)
        worst = (loop.probabilities(batch) - other.probabilities(other.prepared(batch)).T).abs().max().item()
        losses = [of.loss(b).item() for of, b in ((loop, batch), (other, other.prepared(batch)))]
    worst = max(worst, abs(losses[0] - case.tasks * losses[1]))
    assert worst <= TOLERANCE, f"torch-rechub: differs from the loop by {worst}"
    print(f"torch-rechub: {own} weights, {norms} of norms; differs from the loop by {worst:.1e}")


def check_fbgemm() -> None:
    """FBGEMM looks up the vectors of its tables, and trains them by row-wise Adagrad of summed gradients."""
    rate, eps = 0.05, 1e-8
    tables, batch = Fbgemm(LISTS, rate, eps), timing.batch(LISTS, 5)
    weights = [table.clone().requires_grad_() for table in tables.bags.split_embedding_weights()]
    found = tables(tables.prepared(batch))
    plain = Tables(LISTS, False)
    for table, weight in zip((*plain.tables, plain.tags), weights):
        del table.weight
        table.weight = weight
    tags, vectors = plain.pooled(batch)
    places = torch.zeros(batch.lists.there.numel(), LISTS.k).index_copy(0, batch.lists.places, vectors)
    wanted = torch.cat((plain(batch.rows), places.view(LISTS.batch, -1), tags), 1)
    pull = torch.randn(wanted.shape)
    (wanted * pull).sum().backward()
    (found * pull).sum().backward()
    worst = (found - wanted).abs().max().item()
    for before, after in zip(weights, tables.bags.split_embedding_weights()):
        state = before.grad.square().mean(1, keepdim=True)
        worst = max(worst, (before - rate * before.grad / (state.sqrt() + eps) - after).abs().max().item())
    worst = max(worst, *(like_plain(jagged) for jagged in (False, True)))
    assert worst <= TOLERANCE, f"FBGEMM differs from row-wise Adagrad by {worst}"
    print(f"FBGEMM differs from row-wise Adagrad by {worst:.1e}")


def like_plain(jagged: bool) -> float:
    """By how much the model over FBGEMM's tables differs from the loop of its weights."""
    batch, loop = timing.batch(LISTS, 5), timing.model(LISTS, "loop, tables")
    other = Embedded(Fbgemm(LISTS), deepcopy(loop.dense), Attention(LISTS.k, True, jagged))
    other.attention.load_state_dict(loop.attention.state_dict())
    for mine, its in zip(other.tables.bags.split_embedding_weights(), (*loop.tables.tables, loop.tables.tags)):
        mine.copy_(its.weight.detach())
    with torch.no_grad():
        return (other(other.prepared(batch)) - loop(batch)).abs().max().item()


def like(loop: nn.Module, form: nn.Module) -> nn.Module:
    """The weights of the loop in another form."""
    return deepcopy(form).copy(loop)


def outcome(of: nn.Module, batch: Batch, steps: int) -> tuple[torch.Tensor, torch.Tensor, nn.Module, nn.Module]:
    """After some steps of training: loss, probabilities, the model, and the model with its gradients for weights."""
    fused = isinstance(of.dense if isinstance(of, Embedded) else of, Fused)
    optimiser = torch.optim.Adam(of.parameters(), lr=1e-3, fused=fused or None)
    for _ in range(steps):
        optimiser.zero_grad()
        of.loss(batch).backward()
        optimiser.step()
    optimiser.zero_grad()
    loss = of.loss(batch)
    loss.backward()
    slopes = deepcopy(of)
    for slope, weight in zip(slopes.parameters(), of.parameters()):
        slope.data.copy_(weight.grad)
    return loss.detach(), torch.sigmoid(of(batch)).detach(), of, slopes
