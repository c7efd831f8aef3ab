"""The command line of the program: its last line of output is the model, or an error with what to do."""

import argparse
import signal
import socket
import sys
import traceback
from typing import NoReturn

import ray

from . import errors
from .driver import check, say, train
from .errors import Refusal


def main(arguments: list[str]) -> int:
    """Runs a job, or the checks alone; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stopped)
    _pickle_by_value()
    try:
        try:
            _reach(options.address)
            ray.init(address=options.address, log_to_driver=options.debug, ignore_reinit_error=True)
        except (OSError, RuntimeError) as error:
            raise Refusal(
                f"Cannot reach Ray: {error}", options.address, "start a head by `ray start --head`"
            ) from error
        (check if options.check else train)(options)
        return 0
    except Refusal as refusal:
        if options.debug:
            traceback.print_exc()
        say(refusal.record())
    except Exception as error:  # the last line of the output says what went wrong, whatever it was
        if options.debug:
            traceback.print_exc()
        cause = getattr(error, "cause", None) or error
        text = str(cause).strip().splitlines() or [""]
        full = "No space left on device" in text[-1] or "Disk quota exceeded" in text[-1]
        where = options.storage if full else "the program"
        remedy = "make room: the same job then goes on from its last checkpoint" if full else "see more by --debug"
        say(Refusal(f"Cannot go on: {type(cause).__name__}: {text[-1]}", where, remedy).record())
    finally:
        ray.shutdown()
    return 1


def _reach(address: str) -> None:
    """Makes sure that something listens at HOST:PORT: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "//" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _pickle_by_value() -> None:
    """Sends this package to the workers with what it is that they run: they need not have it."""
    package = sys.modules[errors.__name__.rpartition(".")[0]]
    ray.cloudpickle.register_pickle_by_value(package)


def _stopped(*_: object) -> NoReturn:
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="program.py", description="Trains the model of a job folder on Ray.")
    parser.add_argument("--job", default=".", help="the job's folder")
    parser.add_argument("--storage", required=True, help="a folder that all nodes share: data, checkpoints, model")
    parser.add_argument("--workers", type=int, default=1, help="at most the lanes of the job")
    parser.add_argument("--cpus", type=int, default=1, help="the CPUs, and threads, of a worker")
    parser.add_argument("--transport", choices=["auto", "collective", "objects"], default="auto")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for nodes and room")
    parser.add_argument("--records", type=float, default=0, help="seconds between records of steps")
    parser.add_argument("--address", default="auto", help="the cluster: auto, local, or HOST:PORT")
    parser.add_argument("--fresh", action="store_true", help="removes the checkpoints of the storage: else it goes on")
    parser.add_argument("--check", action="store_true", help="checks the cluster alone")
    parser.add_argument("--debug", action="store_true", help="prints tracebacks, and what workers print, on stderr")
    return parser
