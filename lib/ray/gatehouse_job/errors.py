"""What can go wrong: what the user is to change, and what a new start from the last checkpoint heals."""


class Refusal(Exception):
    """A mistake in the job, its data or the cluster: starting again would not help."""

    def __init__(self, message: str, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where, remedy)
        self.message = message
        self.where = where
        self.remedy = remedy

    def record(self) -> dict[str, object]:
        """The error as the last line of the output has it."""
        return {"error": {"message": self.message, "where": self.where, "remedy": self.remedy}}


class Lost(Exception):
    """Another process of the training is gone: all begin again from the last checkpoint."""


def is_short(error: BaseException | None) -> bool:
    """True of an error that a process without memory raises: onnxruntime has no type for it."""
    words = ("bad allocation", "bad_alloc", "Failed to allocate memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def out_of_memory(what: str, where: str, peak: int) -> Refusal:
    """The error of workers that lack memory, or are lost again and again, with their peak in bytes."""
    return Refusal(
        f"Cannot train: {what}",
        f"{where}; a worker took at most {peak / 2**20:.0f} MiB of memory",
        "if nodes are out of memory: give a smaller window or batch, more shards, or fewer workers on a node; "
        "else write checkpoints more often",
    )
