"""What workers send each other, by its name and turn: one value of each for each."""

import threading
from collections.abc import Sequence
from typing import Any

from ray.actor import ActorHandle


class Mail:
    """The place of a worker among all, and what has come from them."""

    def __init__(self, rank: int = 0, peers: Sequence[ActorHandle | None] = (None,)) -> None:
        self.rank, self.workers = rank, len(peers)
        self.peers = [None if at == rank else peer for at, peer in enumerate(peers)]
        self.came: dict[tuple[str, int], dict[int, Any]] = {}
        self.changed = threading.Condition()

    def send(self, name: str, turn: int, values: Sequence[Any]) -> None:
        """Sends each worker its value. The driver finds one that is gone, and ends those that wait for it."""
        for peer, value in zip(self.peers, values, strict=True):
            if peer is None:
                self.put(self.rank, name, turn, value)
            else:
                peer.put.remote(self.rank, name, turn, value)

    def put(self, sender: int, name: str, turn: int, value: Any) -> None:
        """Keeps what a worker has sent."""
        with self.changed:
            self.came.setdefault((name, turn), {})[sender] = value
            self.changed.notify_all()

    def take(self, name: str, turn: int) -> list[Any]:
        """What all have sent, by rank, once it is there."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.came.get((name, turn), ())) == self.workers)
            found = self.came.pop((name, turn))
        return [found[rank] for rank in range(self.workers)]
