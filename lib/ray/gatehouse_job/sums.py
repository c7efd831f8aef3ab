"""Sums over workers: of one, by the collectives of Ray (gloo), or by what workers send each other."""

from collections.abc import Callable

import numpy as np

from .errors import Lost
from .mail import PATIENCE, Mail
from .tensors import Floats

AllReduce = Callable[[Floats], Floats]


def alone(array: Floats) -> Floats:
    """The sum over one worker."""
    return array


def by_collective(rank: int, workers: int, group: str) -> AllReduce:
    """The sum by gloo: the same bytes for all workers."""
    from ray.util import collective

    try:
        collective.init_collective_group(workers, rank, backend="gloo", group_name=group, gloo_timeout=1000 * PATIENCE)
    except RuntimeError as error:
        raise Lost(f"the collective group was not formed: {error}") from error

    def allreduce(array: Floats) -> Floats:
        try:
            collective.allreduce(array, group_name=group)
        except RuntimeError as error:  # a peer is gone
            raise Lost(f"a sum over workers failed: {error}") from error
        return array

    return allreduce


def by_objects(mail: Mail) -> AllReduce:
    """The sum by the object store, in the order of the workers, each of which adds a slice: the same bytes for all."""
    turn = 0

    def allreduce(array: Floats) -> Floats:
        nonlocal turn
        turn += 1
        mail.send("slice", turn, np.array_split(array, mail.workers))
        first, *others = mail.take("slice", turn)
        total = first.copy()
        for other in others:
            total += other
        mail.send("sum", turn, [total] * mail.workers)
        return np.concatenate(mail.take("sum", turn))

    return allreduce
