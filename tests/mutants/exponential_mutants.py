"""Bugs of what ExponentialHistogram has in Python: the snapshots of both backends, and the twin's buckets."""

from mutants.mutant import Mutant

SNAPSHOT = "src/atomicx/_exponential.py"
BOUNDARIES = "src/atomicx/_boundaries.py"
TWIN = "src/atomicx/_reference/type_exponential_histogram.py"


def tested(name: str, file: str, old: str, new: str, test: str) -> Mutant:
    return Mutant(
        f"exponential histogram: {name}",
        file,
        old,
        new,
        "pytest",
        (f"tests/test_exponential_histogram.py::{test}",),
    )


MUTANTS = [
    tested(
        "a quantile takes the observation after the one asked for",
        SNAPSHOT,
        "if below >= rank:",
        "if below > rank:",
        "test_quantile",
    ),
    tested(
        "a quantile is the end of its bucket",
        SNAPSHOT,
        "logarithm = (index + 0.5) * 2.0**-scale",
        "logarithm = (index + 1.0) * 2.0**-scale",
        "test_quantiles_are_within_the_stated_error",
    ),
    tested(
        "quantiles take negative values for ordered like positive ones",
        SNAPSHOT,
        "yield -1.0, last - k, count",
        "yield -1.0, self.negative.offset + k, count",
        "test_quantiles_are_within_the_stated_error",
    ),
    tested(
        "downscaling rounds negative indexes towards zero",
        SNAPSHOT,
        "counts[(index >> shift) - first] += count",
        "counts[int(index / 2**shift) - first] += count",
        "test_downscaling_is_like_a_smaller_scale_from_the_start",
    ),
    tested(
        "a merge forgets the zeros of the other",
        SNAPSHOT,
        "one.zero_count + two.zero_count,",
        "one.zero_count,",
        "test_merging",
    ),
    tested(
        "snapshots with different zero thresholds are merged",
        SNAPSHOT,
        "if self.zero_threshold != other.zero_threshold:",
        "if False:",
        "test_merging",
    ),
    tested(
        "the offset of trimmed buckets is that of the first bucket given",
        SNAPSHOT,
        "offset + first if end > first else 0",
        "offset if end > first else 0",
        "test_a_snapshot_made_by_hand_is_trimmed",
    ),
    tested(
        "the twin lets a power of two begin a bucket",
        BOUNDARIES,
        "octave = exponent - 1 - (units == 1 << SIGNIFICAND_BITS)",
        "octave = exponent - 1",
        "test_powers_of_two_end_their_buckets",
    ),
    tested(
        "the twin lets a boundary begin a bucket",
        BOUNDARIES,
        "bisect_left(_significands(scale), units)",
        "__import__('bisect').bisect_right(_significands(scale), units)",
        "test_every_double_is_in_its_bucket",
    ),
    tested(
        "a subnormal boundary is rounded to the nearest",
        BOUNDARIES,
        "lost = max(0, LEAST_EXPONENT - (octave - SIGNIFICAND_BITS))",
        "lost = 0 and max(0, LEAST_EXPONENT - (octave - SIGNIFICAND_BITS))",
        "test_boundaries_are_rounded_down",
    ),
    tested(
        "the twin gives values above largest buckets of their own",
        TWIN,
        "bucket_of(self.scale, min(size, self.largest))",
        "bucket_of(self.scale, size)",
        "test_larger_values_count_in_the_outermost_bucket",
    ),
    tested(
        "the twin counts negative values as positive ones",
        TWIN,
        "return position if value > 0.0 else -position",
        "return position",
        "test_negative_values_have_buckets_of_their_own",
    ),
    tested(
        "the twin counts subnormal values as zero",
        TWIN,
        "if size <= self.smallest:",
        "if size <= max(self.smallest, 2.2250738585072014e-308):",
        "test_only_zero_counts_as_zero_if_smallest_is_zero",
    ),
]
