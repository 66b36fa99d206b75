"""Broken integers: LockInt with one fault each."""

from __future__ import annotations

import threading

from .correct_cells import MAX, MIN, LockInt, int64


def wrap(number):
    return (number - MIN) % 2**64 + MIN


# Split: a read and a write, with nothing that excludes others in between.


class SplitInc(LockInt):
    def inc(self):
        self._value = int64(self._value + 1)


class SplitFetchAdd(LockInt):
    def fetch_add(self, operand=1):
        old = self.load()
        self.store(old + int64(operand))
        return old


class SplitFetchAnd(LockInt):
    def fetch_and(self, operand):
        operand = int64(operand)
        old = self._value
        self._value = old & operand
        return old


class SplitExchange(LockInt):
    def exchange(self, value):
        value = int64(value)
        with self._lock:
            old = self._value
        with self._lock:
            self._value = value
        return old


class SplitCompareAndSet(LockInt):
    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        if self.load() != expected:
            return False
        self.store(desired)
        return True


class SplitTryAdd(LockInt):
    """Checks whether there is room, but then adds in any case."""

    def try_add(self, delta, limit):
        delta, limit = int64(delta), int64(limit)
        total = self._value + delta
        if not MIN <= total <= MAX or (total > limit if delta >= 0 else total < limit):
            return False
        self.fetch_add(delta)
        return True


class SplitIxor(LockInt):
    def __ixor__(self, operand):
        self.store(self.load() ^ int64(operand))
        return self


class SplitUpdate(LockInt):
    """Calls the function outside the lock, and does not check again."""

    def update(self, function):
        new = int64(function(self.load()))
        self.store(new)
        return new


class SplitStore(LockInt):
    """Writes in two halves, so that others can see the first half alone."""

    def store(self, value):
        value = int64(value)
        self._value = value & ~0xFFFFFFFF
        self._value = value


class SplitAdvance(LockInt):
    """Two threads may get the same id."""

    def advance(self, candidate):
        candidate = int64(candidate)
        with self._lock:
            new = int64(max(candidate, self._value + 1))
        self.store(new)
        return new


class TwoLocks(LockInt):
    """fetch_max uses a different lock than the other operations."""

    def __init__(self, value=0):
        super().__init__(value)
        self._other = threading.Lock()

    def fetch_max(self, operand):
        operand = int64(operand)
        with self._other:
            old = self._value
            if operand > old:
                self._value = operand
            return old


class StaleWitness(LockInt):
    def compare_exchange(self, expected, desired):
        if self.compare_and_set(expected, desired):
            return int64(expected)
        return self.load()


class TornResult(LockInt):
    """Adds in one step, and reads its result in another."""

    def add_fetch(self, delta=1):
        self.add(delta)
        return self.load()


# Wrong results even in one thread.


class WrapsInSubFetch(LockInt):
    def sub_fetch(self, delta=1):
        delta = int64(delta)
        with self._lock:
            self._value = wrap(self._value - delta)
            return self._value


class WrapsInDec(LockInt):
    def dec(self):
        with self._lock:
            self._value = wrap(self._value - 1)


class ChangedByOverflow(LockInt):
    """Raises as it should, but stays at the largest value."""

    def fetch_add(self, operand=1):
        operand = int64(operand)
        with self._lock:
            old = self._value
            self._value = max(MIN, min(MAX, old + operand))
            if self._value != old + operand:
                raise OverflowError
            return old


class ReturnsNew(LockInt):
    def fetch_sub(self, operand=1):
        return self.sub_fetch(operand)


class WrongDefault(LockInt):
    def fetch_sub(self, operand=0):
        return super().fetch_sub(operand)


class OneTooFar(LockInt):
    """Admits one more than the limit."""

    def try_add(self, delta, limit):
        delta, limit = int64(delta), int64(limit)
        return super().try_add(delta, min(MAX, limit + 1) if delta >= 0 else limit)


class OneSidedLimit(LockInt):
    """Forgets that a negative delta has its limit below."""

    def try_add(self, delta, limit):
        delta, limit = int64(delta), int64(limit)
        with self._lock:
            total = self._value + delta
            if not MIN <= total <= MAX or total > limit:
                return False
            self._value = total
            return True


class UnsignedMax(LockInt):
    def fetch_max(self, operand):
        operand = int64(operand)
        return self._change(lambda value: max(value, operand, key=lambda number: number % 2**64))[0]


class NegativeIndex(LockInt):
    """Takes a negative value modulo the modulus, instead of treating it as 0."""

    def fetch_inc_mod(self, modulus):
        modulus = int64(modulus)
        if modulus < 1:
            raise ValueError("modulus must be at least 1")
        with self._lock:
            index = self._value % modulus
            self._value = (index + 1) % modulus
            return index


class RepeatsItself(LockInt):
    """advance() returns the current value again for a candidate that equals it."""

    def advance(self, candidate):
        candidate = int64(candidate)
        return self._change(lambda value: value if candidate == value else max(candidate, value + 1))[1]


class WrongError(LockInt):
    def add_fetch(self, delta=1):
        try:
            return super().add_fetch(delta)
        except OverflowError:
            raise ValueError("too large") from None


class TakesFloats(LockInt):
    def add(self, delta):
        super().add(int(delta))


class TiresAfterHundred(LockInt):
    """Loses every hundredth addition."""

    calls = 0

    def inc(self):
        self.calls += 1
        if self.calls % 100:
            super().inc()


class SmallIntsOnly(LockInt):
    """Compares by identity, which holds for the small integers that the interpreter keeps."""

    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        with self._lock:
            if self._value is not expected:
                return False
            self._value = desired
            return True


class HalfUpdate(LockInt):
    """If update's function raises, the value has changed."""

    def fetch_update(self, function):
        with self._lock:
            old = self._value
            self._value = 0
            self._value = int64(function(old))
            return old


class ShiftsTheSign(LockInt):
    def __ior__(self, operand):
        operand = int64(operand)
        self._change(lambda value: (value | operand) & MAX)
        return self


class RebindsInPlace(LockInt):
    def __isub__(self, operand):
        self.fetch_sub(operand)
        return type(self)(self.load())


class TruthOfSign(LockInt):
    def __bool__(self):
        return self.load() > 0


# Not wrong, but gone or stuck.


class Exits(LockInt):
    def fetch_min(self, operand):
        import os

        os._exit(0)


class Crashes(LockInt):
    def exchange(self, value):
        import os
        import signal

        signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # not a sanitizer's handler, which would exit instead
        os.kill(os.getpid(), signal.SIGSEGV)


class Hangs(LockInt):
    """Waits for itself if the function has raised."""

    def update(self, function):
        self._lock.acquire()
        self._value = new = int64(function(self._value))
        self._lock.release()
        return new


class Deadlocks(LockInt):
    """Takes its two locks in the opposite order to inc."""

    def __init__(self, value=0):
        super().__init__(value)
        self._other = threading.Lock()

    def inc(self):
        with self._other:
            super().inc()

    def dec(self):
        with self._lock, self._other:
            self._value = int64(self._value - 1)


class WrapsAndExits(WrapsInDec):
    """Ends the process after it has been found wrong."""

    def fetch_min(self, operand):
        import os

        os._exit(0)
