"""Sums over workers: of one, by the collectives of Ray (gloo), or by actors through the object store."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.actor import ActorHandle

from .errors import Lost

Floats = npt.NDArray[np.float32]
AllReduce = Callable[[Floats], Floats]


_PATIENCE = 600_000  # milliseconds for which a sum waits for a slow worker; one that is gone ends it at once


def alone(array: Floats) -> Floats:
    """The sum over one worker."""
    return array


def by_collective(rank: int, workers: int, group: str) -> AllReduce:
    """The sum by gloo: the same bytes for all workers."""
    from ray.util import collective

    try:
        collective.init_collective_group(workers, rank, backend="gloo", group_name=group, gloo_timeout=_PATIENCE)
    except RuntimeError as error:
        raise Lost(f"the collective group was not formed: {error}") from error

    def allreduce(array: Floats) -> Floats:
        try:
            collective.allreduce(array, group_name=group)
        except RuntimeError as error:  # a peer is gone
            raise Lost(f"a sum over workers failed: {error}") from error
        return array

    return allreduce


def by_objects(rank: int, adders: list[ActorHandle]) -> AllReduce:
    """The sum by actors, each of which adds a slice: the same bytes for all workers."""
    turn = 0

    def allreduce(array: Floats) -> Floats:
        nonlocal turn
        turn += 1
        slices = np.array_split(array, len(adders))
        sent = [adder.add.remote(turn, rank, one) for adder, one in zip(adders, slices, strict=True)]
        held: list[list[ray.ObjectRef[Any]]] = ray.get(sent)
        found: list[Floats] = ray.get([one for [one] in held])
        return np.concatenate(found)

    return allreduce


class Adder:
    """An actor that adds what workers send, in the order of their ranks."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.sent: dict[int, dict[int, Floats]] = {}
        self.sums: dict[int, asyncio.Future[Any]] = {}

    async def add(self, turn: int, rank: int, array: Floats) -> list[Any]:
        """The sum of a turn, as a reference to it, once all workers have sent their part."""
        if turn not in self.sums:
            self.sums[turn] = asyncio.get_running_loop().create_future()
            self.sums.pop(turn - 2, None)
        own = self.sent.setdefault(turn, {})
        own[rank] = array
        if len(own) == self.workers:
            total = np.array(own[0])
            for other in range(1, self.workers):
                total += own[other]
            del self.sent[turn]
            self.sums[turn].set_result(ray.put(total))
        return [await self.sums[turn]]
