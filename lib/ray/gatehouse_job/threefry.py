"""Random numbers by the written rule of Gatehouse (README of lib/data): the same bits as in TypeScript."""

import math

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Key = tuple[int, int]

_MASK = 2**32 - 1
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)


def _mixed(word: int) -> int:
    word = (word + 0x6D2B79F5) & _MASK
    word = ((word ^ word >> 16) * 0x85EBCA6B) & _MASK
    word = ((word ^ word >> 13) * 0xC2B2AE35) & _MASK
    return word ^ word >> 16


def key_of(text: str, begun: Key = (0x9E3779B9, 0x243F6A88)) -> Key:
    """The key of a text, or of one that comes after another."""
    first, second = begun
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
    for unit in units.tolist():
        first = _mixed(first ^ unit)
        second = _mixed(((second + unit) & _MASK) ^ first)
    return first, second


def _threefry(key: tuple[Words, Words], blocks: npt.NDArray[np.uint64]) -> tuple[Words, Words]:
    """The two words of each block: Threefry-2x32 of 20 rounds."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x = (blocks & np.uint64(_MASK)).astype(np.uint32) + keys[0]
    y = (blocks >> np.uint64(32)).astype(np.uint32) + keys[1]
    for turn in range(20):
        bits = np.uint32(_ROTATIONS[turn % 8])
        x = x + y
        y = (y << bits | y >> (np.uint32(32) - bits)) ^ x
        if turn % 4 == 3:
            place = turn // 4 + 1
            x = x + keys[place % 3]
            y = y + keys[(place + 1) % 3] + np.uint32(place)
    return x, y


def words_of(key: Key, at: int, count: int) -> Words:
    """The words of a key from one on, [count]."""
    first, last = at // 2, (at + count + 1) // 2
    one, other = (np.array([word], np.uint32) for word in key)
    words = np.stack(_threefry((one, other), np.arange(first, last, dtype=np.uint64)), axis=1).reshape(-1)
    return words[at - 2 * first :][:count]


def permutation(count: int, text: str) -> npt.NDArray[np.int64]:
    """The integers below a count in the order that a seed determines, [count]."""
    words = words_of(key_of(text), 0, 2 * count).reshape(-1, 2)
    high, low = (words[:, 0] >> np.uint32(5)), (words[:, 1] >> np.uint32(6))
    uniforms = (high.astype(np.float64) * 2.0**26 + low) * 2.0**-53
    places = np.floor(uniforms * np.arange(1, count + 1)).astype(np.int64)
    order = [0] * count
    for i, j in enumerate(places.tolist()):
        order[i] = order[j]
        order[j] = i
    return np.array(order, np.int64)


def drawn(key: Key, at: int, count: int, spread: str, size: float) -> Floats:
    """Numbers of a distribution from the element `at` on, [count]: each of its word, normal ones of their pair."""
    first = at - at % 2
    words = words_of(key, first, count + at % 2 + (count + at) % 2).reshape(-1, 2)
    return _spread(words[:, 0], words[:, 1], spread, size).reshape(-1)[at - first :][:count]


def drawn_at(keys: npt.NDArray[np.uint32], elements: npt.NDArray[np.int64], spread: str, size: float) -> Floats:
    """Some elements of what keys make, [rows, count] of keys [rows or 1, 2] and elements [rows or 1, count]."""
    blocks = (elements // 2).astype(np.uint64)
    pairs = _spread(*_threefry((keys[:, :1], keys[:, 1:]), blocks), spread, size)
    found: Floats = np.where(elements % 2 == 0, pairs[..., 0], pairs[..., 1])
    return found


def _spread(first: Words, second: Words, spread: str, size: float) -> Floats:
    """The numbers of a distribution that pairs of words make, [..., 2]."""
    if spread == "normal":
        return (_normals(first, second) * size).astype(np.float32)
    words = np.stack([first, second], axis=-1)
    if spread == "uniform":
        return ((words >> np.uint32(8)).astype(np.float64) * 2.0**-24 * size).astype(np.float32)
    return ((words.astype(np.int32).astype(np.float64) + 0.5) * 2.0**-31 * size).astype(np.float32)


def _normals(first: Words, second: Words) -> Doubles:
    """The two normal numbers of each pair of words, [..., 2], by the series of box_muller.ts: the same bits."""
    radius = np.sqrt(-2 * _logarithm(first.astype(np.float64)))
    signed = second.astype(np.int32).astype(np.int64)
    quarter = ((signed + 2**29) & _MASK) >> 30  # the nearest quarter turn
    turn = (signed - (quarter << 30)).astype(np.int32)
    angle = turn * (math.pi * 2.0**-31)  # from there, at most pi / 4
    z = angle * angle
    cosine = radius * (1 + z * _sum(z, _COSINE))
    sine = radius * (angle + angle * z * _sum(z, _SINE))
    odd = (quarter & 1) == 1
    sign = 1.0 - (quarter & 2)
    return np.stack([sign * np.where(odd, -sine, cosine), sign * np.where(odd, cosine, sine)], axis=-1)


def _logarithm(word: Doubles) -> Doubles:
    """The logarithm of (word + 1/2) / 2 ** 32, as 2 artanh s of a number next to 1 and a power of 2."""
    zeros = 32 - np.frexp(word)[1]
    scales = np.array([math.sqrt(0.5) * 2.0 ** (zeros - 31) for zeros in range(33)])
    near = (word + 0.5) * scales[zeros]
    s = (near - 1) / (near + 1)
    total = _sum(s * s, tuple(1 / odd for odd in range(21, 0, -2)))
    found: Doubles = 2 * s * total - (zeros + 0.5) * math.log(2)
    return found


# the terms of the series but for the first, the highest power first
_SINE = tuple((-1) ** (power // 2) / math.factorial(power) for power in range(15, 1, -2))
_COSINE = tuple((-1) ** (power // 2) / math.factorial(power) for power in range(16, 0, -2))


def _sum(z: Doubles, factors: tuple[float, ...]) -> Doubles:
    total = np.full_like(z, factors[0])
    for factor in factors[1:]:
        total = total * z + factor
    return total
