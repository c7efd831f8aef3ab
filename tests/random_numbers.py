"""Computes random numbers by the rule in lib/data/README.md, and compares them with those that it is given as JSON."""

import json
import sys

import numpy as np

MASK = 2**32 - 1


def mixed(word):
    word = (word + 0x6D2B79F5) & MASK
    word = ((word ^ word >> 16) * 0x85EBCA6B) & MASK
    word = ((word ^ word >> 13) * 0xC2B2AE35) & MASK
    return word ^ word >> 16


def key_of(text):
    first, second = 0x9E3779B9, 0x243F6A88
    for unit in np.frombuffer(text.encode("utf-16-le"), "<u2").tolist():
        first = mixed(first ^ unit)
        second = mixed(((second + unit) & MASK) ^ first)
    return first, second


def threefry(key, counter):
    """Two words of each counter, [count, 2], of 64 bits."""
    k0, k1 = (np.uint32(word) for word in key)
    keys = [k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)]
    x = (counter & np.uint64(MASK)).astype(np.uint32) + keys[0]
    y = (counter >> np.uint64(32)).astype(np.uint32) + keys[1]
    for turn in range(20):
        bits = (13, 15, 26, 6, 17, 29, 16, 24)[turn % 8]
        x = x + y
        y = (y << np.uint32(bits) | y >> np.uint32(32 - bits)) ^ x
        if turn % 4 == 3:
            at = turn // 4 + 1
            x = x + keys[at % 3]
            y = y + keys[(at + 1) % 3] + np.uint32(at)
    return np.stack([x, y], axis=1)


def words_of(seed, at, count):
    """Words `at` to `at + count` of a seed."""
    first, last = at // 2, (at + count + 1) // 2
    blocks = np.arange(first, last, dtype=np.uint64)
    return threefry(key_of(seed), blocks).reshape(-1)[at - 2 * first :][:count]


def uniforms(seed, count):
    words = words_of(seed, 0, 2 * count).reshape(-1, 2).astype(np.float64)
    high, low = np.floor(words[:, 0] / 32), np.floor(words[:, 1] / 64)
    return (high * 2.0**26 + low) * 2.0**-53


def filled(seed, count):
    return (words_of(seed, 0, count) >> np.uint32(8)).astype(np.float64) * 2.0**-24


def normals(seed, count):
    words = words_of(seed, 0, count + count % 2).reshape(-1, 2).astype(np.float64)
    radius = np.sqrt(-2 * np.log((words[:, 0] + 0.5) * 2.0**-32))
    turn = 2 * np.pi * words[:, 1] * 2.0**-32
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1).reshape(-1)[:count]


def permutation(seed, count):
    order = [0] * count
    for i, uniform in enumerate(uniforms(seed, count).tolist()):
        j = int(uniform * (i + 1))
        order[i] = order[j]
        order[j] = i
    return order


def main():
    np.seterr(over="ignore")
    known = threefry((0x13198A2E, 0x03707344), np.array([0x85A308D3_243F6A88], np.uint64))
    assert known.tolist() == [[0xC4923A9C, 0x483DF7A0]], "Random123's known answer"
    given = json.load(sys.stdin)
    for row in given["words"]:
        assert words_of(row["seed"], row["at"], 40).tolist() == row["words"], row["seed"]
    for row in given["uniforms"]:
        assert uniforms(row["seed"], 100).tolist() == row["uniforms"], row["seed"]
    for row in given["filled"]:
        assert filled(row["seed"], 101).tolist() == row["uniforms"], row["seed"]
    for row in given["normals"]:
        far = np.abs(normals(row["seed"], 10_001) - row["normals"]).max()
        assert far < 1e-12, f"{row['seed']}: a normal number differs by {far}"
    for row in given["permutations"]:
        assert permutation(row["seed"], 1000) == row["order"], row["seed"]
    print("numpy computes the same random numbers: words, uniforms and permutations bit for bit, normals within 1e-12")
    print(f"ok | {sum(len(rows) for rows in given.values())} passed | 0 failed")


if __name__ == "__main__":
    main()
