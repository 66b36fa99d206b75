"""HistogramSnapshot, which both backends return.

Imported with the package, so without the future annotations: they would be one more file to find.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NamedTuple

    from typing_extensions import Self

    class _Fields(NamedTuple):
        counts: tuple[int, ...]
        sum: float

else:

    class _Fields(tuple):
        """What collections.namedtuple makes of the two fields. To import that would take longer than to
        import all of atomicx."""

        __slots__ = ()
        _fields = ("counts", "sum")
        _field_defaults = {}  # noqa: RUF012 - as every named tuple has it
        __match_args__ = _fields

        def __new__(_cls, counts: tuple[int, ...], sum: float) -> "Self":
            return tuple.__new__(_cls, (counts, sum))

        @classmethod
        def _make(cls, iterable: "Iterable[Any]") -> "Self":
            return cls(*iterable)

        def _asdict(self) -> "dict[str, Any]":
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, /, **fields: "Any") -> "Self":
            return type(self)(**{**self._asdict(), **fields})

        __replace__ = _replace

        def __getnewargs__(self) -> "tuple[Any, ...]":
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}(counts={self[0]!r}, sum={self[1]!r})"

        counts = property(lambda self: self[0], doc="The number of observations in each bucket.")
        sum = property(lambda self: self[1], doc="The sum of the values observed.")


class HistogramSnapshot(_Fields):
    """What a Histogram has counted: a named tuple (counts, sum).

    counts[i] is the number of observations with bounds[i-1] < value <= bounds[i]; there is one more entry,
    for those above the last bound. They are not cumulative. sum is the sum of the values observed, in the
    order in which they happened to be added up."""

    __slots__ = ()
    __module__ = "atomicx"
