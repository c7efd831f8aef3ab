"""Trains the model of a job folder on Ray: python program.py --job FOLDER --storage FOLDER --workers W."""

import json
import sys


def _run() -> int:
    try:
        from gatehouse_job.main import main
    except ImportError as error:  # before there is anything that reports errors
        remedy = "pip install ray numpy onnxruntime pyarrow on the node that runs the program"
        print(json.dumps({"error": {"message": f"Cannot run: {error}", "where": "the driver", "remedy": remedy}}))
        return 1
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_run())
