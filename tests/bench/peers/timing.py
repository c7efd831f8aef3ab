"""How long a training step and a prediction take, each variant in its fastest form."""

import functools
import gc
import time
import types
from typing import Callable, NamedTuple

import torch

from embeddings import Attention, Embedded, Fbgemm, Lists, OneTable, Tables, optimisers
from models import Batch, Case, Eager, Fused, Model
from rechub import Rechub

VARIANTS = (
    "torch eager",
    "torch fused",
    "torch compile",
    "torch-rechub",
    "torch-rechub, plain",
    "torch eager, SparseAdam",
    "torch SparseAdam",
    "torch sparse Adagrad",
    "torch dense Adam",
)
# The variant of an environment of its own.
FBGEMM = "torch FBGEMM Adagrad"
METRICS = ("train_step_ms", "predict_ms")
CORES = torch.get_num_threads()

# The batches that steps take in turns.
BATCHES = 4
# What a candidate is tried for, in seconds, and the slowest run that is also tried on one thread, in milliseconds.
TRIAL = 0.4
SMALL = 100


class Candidate(NamedTuple):
    """One form of a variant on a number of threads, ready to be run."""

    form: str
    threads: int
    run: Callable[[], object]

    def times(self, repeats: int) -> list[float]:
        """The milliseconds of each run, after one that is not counted."""
        torch.set_num_threads(self.threads)
        found = []
        gc.disable()
        try:
            self.run()
            for _ in range(repeats):
                start = time.perf_counter_ns()
                self.run()
                found.append((time.perf_counter_ns() - start) / 1e6)
        finally:
            gc.enable()
        return found

    def trial(self) -> float:
        """The lower quartile of some runs, once it is warm and compiled."""
        warm = self.times(2)
        found = sorted(self.times(min(100, max(3, int(TRIAL * 1000 / min(warm))))))
        return found[len(found) // 4]


def fastest(case: Case, variant: str, metric: str) -> Candidate:
    """The fastest form of a variant; forms are tried on all cores, and small ones on one."""
    best, least = None, float("inf")
    for form in forms(case, variant):
        for threads in sorted({CORES, 1}, reverse=True):
            torch.set_num_threads(threads)
            candidate = Candidate(form, threads, action(case, variant, form, metric))
            found = candidate.trial()
            if found < least:
                best, least = candidate, found
            if found > SMALL:
                break
    return best


def forms(case: Case, variant: str) -> list[str]:
    """The forms of a variant that are tried.

    The gates of the wide form are mixed by a batched product: product and sum were no faster there on any case.
    """
    eager = ["loop", "loop, bmm"]
    fused = ["one product", "two products"] + (["gather"] if case.sizes else [])
    of = {"torch eager": eager, "torch fused": fused, "torch compile": eager[:1] + fused[:1] + fused[2:]}
    if not case.vocabularies:
        return of[variant]
    if variant.startswith("torch-rechub"):
        return ["its own"]
    if variant == "torch eager, SparseAdam":
        return [f"{form}, tables" for form in eager]
    if case.sequence:
        own = [f"one product, one table, {way}" for way in ("jagged", "padded")]
        return with_compiled(own)
    if variant == FBGEMM:
        return with_compiled(fused)
    if variant == "torch compile":
        return [f"{form}, one table" for form in of[variant]]
    own = of.get(variant, fused)
    found = [f"{form}, {tables}" for form in own for tables in ("one table", "tables")]
    return found if variant in of else with_compiled(found)


def with_compiled(forms: list[str]) -> list[str]:
    """Forms, and the first of them compiled, where that works."""
    return forms + ([f"{COMPILED}{forms[0]}"] if uncompilable() is None else [])


# What the names of forms that are compiled begin with, of variants that are not compiled as such.
COMPILED = "compiled, "


def model(case: Case, form: str, variant: str = "") -> Model:
    """A new model."""
    torch.manual_seed(7)
    if variant.startswith("torch-rechub"):
        return Rechub(case, plain=variant.endswith("plain"))
    if form.startswith(COMPILED):
        return model(case, form[len(COMPILED) :], variant)
    if form.startswith("loop"):
        dense = Eager(case, bmm=form.startswith("loop, bmm"))
    else:
        dense = Fused(case, apart=form.startswith("two products"), gather=form == "gather")
    if not case.vocabularies:
        return dense
    attention = Attention(case.k, not form.startswith("loop"), form.endswith("jagged")) if case.sequence else None
    if variant == FBGEMM:
        return Embedded(Fbgemm(case), dense, attention)
    tables = OneTable if "one table" in form else Tables
    return Embedded(tables(case, sparse=variant in SPARSE), dense, attention)


# The variants whose gradients of tables have the vectors of a batch alone.
SPARSE = ("torch eager, SparseAdam", "torch SparseAdam", "torch sparse Adagrad")


def action(case: Case, variant: str, form: str, metric: str) -> Callable[[], object]:
    """A training step, or a prediction."""
    of = model(case, form, variant)
    batches = turns([of.prepared(batch(case, seed)) for seed in range(BATCHES)])
    through = compiled if variant == "torch compile" or form.startswith(COMPILED) else lambda function: function
    if metric == "predict_ms":
        return predict(of.eval(), batches, through)
    return train(of.train(), batches, through, variant)


def batch(case: Case, seed: int, dtype: torch.dtype = torch.float32) -> Batch:
    """A batch of any case."""
    found = Batch.random(case, seed, dtype)
    return found._replace(lists=Lists.random(case, seed)) if case.sequence else found


def train(of: Model, batches: Callable[[], Batch], through: Callable, variant: str) -> Callable[[], object]:
    """Forward, backward and Adam; a loop over experts has the optimiser's default, as torch-rechub does."""
    fused = variant.startswith("torch ") and "eager" not in variant
    rule = "all" if variant in VARIANTS[:5] else variant.split(" ", 1)[1].removeprefix("eager, ")
    updates = optimisers(of, rule, fused)
    read, dense = parts(of)
    loss = through(loss_of)

    def step():
        for update in updates:
            update.zero_grad(set_to_none=True)
        loss(dense, read(batches())).backward()
        for update in updates:
            update.step()

    return step


def predict(of: Model, batches: Callable[[], Batch], through: Callable) -> Callable[[], object]:
    """Probabilities [tasks, batch]."""
    read, dense = parts(of)
    probabilities = through(probabilities_of)
    quiet = torch.no_grad if isinstance(of, Embedded) and isinstance(of.tables, Fbgemm) else torch.inference_mode

    @quiet()  # FBGEMM has no op for inference mode
    def run():
        return probabilities(dense, read(batches()))

    return run


def parts(of: Model) -> tuple[Callable[[Batch], Batch], Model]:
    """What looks up vectors, which is not compiled, for sparse gradients cannot be; and the model above it."""
    return (of.looked_up, of.dense) if isinstance(of, Embedded) else (lambda batch: batch, of)


def loss_of(of: Model, batch: Batch) -> torch.Tensor:
    """The loss, as a function that can be compiled."""
    return of.loss(batch)


def probabilities_of(of: Model, batch: Batch) -> torch.Tensor:
    """The probabilities, as a function that can be compiled."""
    return of.probabilities(batch)


@functools.cache
def uncompilable() -> str | None:
    """Why functions cannot be compiled here; None where they can be."""
    try:
        compiled(lambda x: torch.relu(x) + 1)(torch.ones(8))
        return None
    except Exception as error:
        return summary(error)


def summary(error: Exception) -> str:
    """The kind and the first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def compiled(function: Callable) -> Callable:
    """Compiled for one model and its shapes, with the options as they are.

    Tuned products (`max_autotune`) and, for predictions, frozen weights were tried: neither was faster on W1 to W3.
    What is compiled belongs to a function's code: a copy has none of the programs, and of their guards, of others.
    """
    own = types.FunctionType(function.__code__.replace(), function.__globals__, function.__name__)
    return torch.compile(own, dynamic=False, fullgraph=True)


def turns(batches: list[Batch]) -> Callable[[], Batch]:
    """The batches one after the other, for ever."""
    state = [0]

    def following() -> Batch:
        state[0] = (state[0] + 1) % len(batches)
        return batches[state[0]]

    return following
