"""The exact boundaries of the buckets of an ExponentialHistogram.

Bucket i holds the doubles x with base**i < x <= base**(i+1), for base = 2**(2**-scale). All but every
2**scale-th boundary is irrational, so it is replaced by the greatest double that does not exceed it: a double
is at most the one exactly if it is at most the other. So the answers are those of real arithmetic, for every
double. No floating-point function is used: roots and products are computed with integers, and their error is
bounded.
"""

from bisect import bisect_left
from math import frexp, isqrt, ldexp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SCALE_MIN, SCALE_MAX = -10, 20
SIGNIFICAND_BITS = 52  # those after the point
LEAST_EXPONENT = -1074  # that of the least subnormal
GREATEST_EXPONENT = 1023

_PRECISION = 192
# A root is at most 2 units too small: its own rounding, and half of that of the root before it. A product of
# up to 20 factors below 2 multiplies such errors by less than 2**20, and each of its roundings by less.
_ERROR = 1 << 24
_TABLED_SCALE = 8


def _roots() -> "tuple[int, ...]":
    """Return 2**(2**-k) for k = 0, 1, ... SCALE_MAX, in units of 2**-_PRECISION, rounded down."""
    roots = [2 << _PRECISION]
    for _ in range(SCALE_MAX):
        roots.append(isqrt(roots[-1] << _PRECISION))
    return tuple(roots)


_ROOTS = _roots()
_tables: "dict[int, tuple[int, ...]]" = {}  # by scale; an entry never changes


def significand(scale: int, step: int) -> int:
    """Return the integer part of 2**52 * 2**(step / 2**scale), for a scale above 0 and step <= 2**scale."""
    product = 1 << _PRECISION
    for level in range(scale + 1):
        if step >> (scale - level) & 1:
            product = product * _ROOTS[level] >> _PRECISION
    excess = _PRECISION - SIGNIFICAND_BITS
    found = product >> excess
    # Whole octaves have no error. The rest is irrational: it must be certain which integer lies below.
    if step & ((1 << scale) - 1) and (product + _ERROR) >> excess != found:
        raise AssertionError(f"2**({step} / 2**{scale}) is too close to a double")
    return found


def _significands(scale: int) -> "tuple[int, ...]":
    table = _tables.get(scale)
    if table is None:
        table = _tables[scale] = tuple(significand(scale, step) for step in range(1, (1 << scale) + 1))
    return table


def bucket_of(scale: int, value: float) -> int:
    """Return the index of the bucket that value, positive and finite, falls into."""
    fraction, exponent = frexp(value)
    units = int(ldexp(fraction, SIGNIFICAND_BITS + 1))
    octave = exponent - 1 - (units == 1 << SIGNIFICAND_BITS)  # 2**octave < value <= 2**(octave + 1)
    if scale <= 0:
        return octave >> -scale
    if octave != exponent - 1:
        return (exponent - 1 << scale) - 1
    if scale <= _TABLED_SCALE:
        return (octave << scale) + bisect_left(_significands(scale), units)
    steps: Sequence[int] = range(1, (1 << scale) + 1)
    return (octave << scale) + bisect_left(steps, units, key=lambda step: significand(scale, step))


def boundary(scale: int, index: int) -> float:
    """Return the greatest double that is at most base**index: 0.0 if that is below all positive doubles."""
    octave, step = (index << -scale, 0) if scale <= 0 else (index >> scale, index & ((1 << scale) - 1))
    if octave > GREATEST_EXPONENT:
        return ldexp((1 << SIGNIFICAND_BITS + 1) - 1, GREATEST_EXPONENT - SIGNIFICAND_BITS)
    units = significand(scale, step) if step else 1 << SIGNIFICAND_BITS
    lost = max(0, LEAST_EXPONENT - (octave - SIGNIFICAND_BITS))  # the bits that a subnormal has no room for
    return ldexp(units >> lost, octave - SIGNIFICAND_BITS + lost) if lost <= SIGNIFICAND_BITS else 0.0
