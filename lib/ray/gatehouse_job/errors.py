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
