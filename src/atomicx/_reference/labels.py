"""Label names and values: what a Family accepts, and how it turns them into tuples of str."""

from __future__ import annotations

from .int64 import as_int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import SupportsIndex

    _Labels = tuple[str, ...]


def check_encodable(what: str, text: str) -> str:
    """Return text. Raises ValueError if UTF-8 cannot encode it, since no exporter could write it."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{what} must be encodable in UTF-8, got {text!r}")
    return text


def as_label_names(names: tuple[object, ...]) -> _Labels:
    if not names:
        raise ValueError("a Family needs at least one label name")
    texts: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a label name must be a str, not {type(name).__name__!r}")
        texts.append(check_encodable("a label name", str.__str__(name)))
    if len(set(texts)) != len(texts):
        raise ValueError("the label names of a Family must be distinct")
    return tuple(texts)


def as_limit(limit: SupportsIndex | None) -> int | None:
    number = None if limit is None else as_int(limit)
    if number is not None and number < 1:
        raise ValueError("limit must be at least 1")
    return number


def as_overflow(overflow: object, limit: int | None) -> str | None:
    if overflow is None:
        return None
    if not isinstance(overflow, str):
        raise TypeError(f"overflow must be a str or None, not {type(overflow).__name__!r}")
    if limit is None:
        raise ValueError("overflow needs a limit")
    return check_encodable("overflow", str.__str__(overflow))


def as_label(value: object) -> str:
    # The value itself, whatever a subclass prints: True is 1, and an enumeration's member is its value.
    if isinstance(value, str):
        return check_encodable("a label value", str.__str__(value))
    if isinstance(value, int):
        return int.__repr__(value)
    raise TypeError(f"a label value must be a str or an int, not {type(value).__name__!r}")


def as_labels(names: _Labels, values: tuple[object, ...]) -> _Labels:
    """Return values as a tuple of str, as many as there are names."""
    labels = len(names)
    if len(values) != labels:
        plural, plurals = ("" if number == 1 else "s" for number in (len(values), labels))
        raise ValueError(f"{len(values)} label value{plural} for {labels} label{plurals}")
    return tuple(map(as_label, values))


def named_values(names: _Labels, by_name: Mapping[str, object]) -> tuple[object, ...]:
    """Return the values in the order of the names."""
    for name in by_name:
        if name not in names:
            raise TypeError(f"labels() got an unexpected label name {name!r}")
    for name in names:
        if name not in by_name:
            raise TypeError(f"labels() missing the value of label {name!r}")
    return tuple(by_name[name] for name in names)


def described(names: _Labels) -> str:
    """Return the family's description in an error message, by the names of its labels."""
    return f"family ({', '.join(map(repr, names))})"
