"""JSON as JavaScript prints it, byte for byte, for checkpoints have the digest of such a text."""

import json
import math
from typing import Any

import numpy as np


def text_of(value: Any, indent: str | None = None) -> str:
    """The text of JSON.stringify; of an indented one the spaces before the value."""
    if isinstance(value, float):
        return _number(value)
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    deeper = None if indent is None else indent + "  "
    colon = ":" if indent is None else ": "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}{colon}{text_of(one, deeper)}" for key, one in value.items()]
    else:
        parts = [text_of(one, deeper) for one in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    if indent is None or not parts:
        return begin + ",".join(parts) + end
    return f"{begin}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{end}"


def _number(value: float) -> str:
    """The shortest digits that are this number, with a point between 1e-6 and 1e21; null if it is not finite."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
