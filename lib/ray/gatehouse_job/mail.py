"""What workers send each other, by its name and turn: one value of each for each."""

import pickle
import threading
from collections.abc import Sequence
from typing import Any

from ray.actor import ActorHandle

from .errors import Lost

PATIENCE = 600  # seconds for which a slow worker is waited for; one that is gone ends all at once


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
                peer.put.remote(self.rank, name, turn, *_pieces(value))

    def put(self, sender: int, name: str, turn: int, *pieces: Any) -> None:
        """Keeps what a worker has sent."""
        value = pickle.loads(b"".join(pieces)) if isinstance(pieces[0], bytes) else pieces[0]
        with self.changed:
            self.came.setdefault((name, turn), {})[sender] = value
            self.changed.notify_all()

    def take(self, name: str, turn: int) -> list[Any]:
        """What all have sent, by rank, once it is there."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.came.get((name, turn), ())) == self.workers, PATIENCE):
                raise Lost(f"workers have not sent their {name} of {turn} for {PATIENCE} s")
            found = self.came.pop((name, turn))
        return [found[rank] for rank in range(self.workers)]


def _pieces(value: Any) -> list[Any]:
    """A value as arguments that the call itself carries, which is sooner there; one that is large as it is."""
    whole = pickle.dumps(value, protocol=5)
    if len(whole) > _LARGE:
        return [value]
    return [whole[at : at + _CARRIED] for at in range(0, len(whole), _CARRIED)]


_CARRIED = 90_000  # bytes: Ray puts an argument of more than 100 KB into its object store
_LARGE = 700_000  # bytes: from so many on the store is sooner
