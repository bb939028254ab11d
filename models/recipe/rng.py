"""A seeded generator of our own, so that a data set is the same bytes under every Python.

SplitMix64 (Steele, Lea, Flood 2014). Python's `random` promises the same floats for a seed but not
the same choices and shuffles from version to version, and `hash` and set order change from run to
run; nothing in this folder may depend on any of them.
"""

import hashlib

_MASK = (1 << 64) - 1


def stable_hash(text):
    """64 bits of SHA-256: what splits are decided by, for ever."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


class Rng:
    """One stream of draws. Streams of different names are independent: a kind of data owns one."""

    def __init__(self, seed, name=""):
        self._state = (seed * 0x9E3779B97F4A7C15 + stable_hash(name)) & _MASK

    def bits(self):
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, count):
        """0 .. count-1. The bias of one part in 2^64 / count does not matter here."""
        return (self.bits() * count) >> 64

    def between(self, low, high):
        """low .. high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, probability):
        return self.bits() < probability * 2.0**64

    def pick(self, items):
        return items[self.below(len(items))]

    def pick_weighted(self, pairs):
        """pairs: (weight, item), weights whole numbers."""
        at = self.below(sum(weight for weight, _ in pairs))
        for weight, item in pairs:
            if at < weight:
                return item
            at -= weight
        raise AssertionError("weights add up")

    def sample(self, items, count):
        """`count` different places of `items`, in random order."""
        pool = list(items)
        for i in range(count):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def shuffled(self, items):
        return self.sample(items, len(items))
