"""Adds to a hash in Redis what cells counted since the last time: each count once, whatever breaks.

A reply can be lost after the server has done what it was asked, so a plain retry may count twice. Here each
batch has a number, which the server keeps with the totals, in the same step. A batch is sent unchanged, under
its number, until it is acknowledged; the server applies it only the first time.
"""

import math
import uuid

from atomicx import Family, Histogram

# Applies all of it or nothing. A script runs alone, but what it wrote before an error would stay.
APPLY = """
local totals, batches = KEYS[1], KEYS[2]
local producer, number = ARGV[1], tonumber(ARGV[2])
if tonumber(redis.call('HGET', batches, producer) or 0) >= number then
  return 0
end
local before = {}
for i = 3, #ARGV, 2 do
  local field, delta = ARGV[i], ARGV[i + 1]
  local add = delta:find('^-?%d+$') and 'HINCRBY' or 'HINCRBYFLOAT'
  before[field] = redis.call('HGET', totals, field)
  local sum = redis.pcall(add, totals, field, delta)
  if type(sum) == 'table' and sum.err then
    for changed, value in pairs(before) do
      if value then
        redis.call('HSET', totals, changed, value)
      else
        redis.call('HDEL', totals, changed)
      end
    end
    return sum
  end
end
redis.call('HSET', batches, producer, ARGV[2])
return 1
"""


def drain(name, cell):
    """Take out what the cell counted, as fields of the hash. Colons join the labels: use none in them."""
    if isinstance(cell, Family):
        for labels, child in cell.items():
            yield from drain(":".join([name, *labels]), child)
    elif isinstance(cell, Histogram):
        counts, total = cell.drain()
        for bound, count in zip([*cell.bounds, "inf"], counts, strict=True):
            yield f"{name}:le:{bound}", count  # only this bucket's count, as in a snapshot
        yield f"{name}:sum", total
    else:
        yield name, cell.drain()


class Flusher:
    """Sends what the named cells counted in this process. Make it after a fork, and flush in one thread.

    The hash `key` has the totals of all producers; another hash next to it has their last batch numbers.
    """

    def __init__(self, client, key, cells):
        self._apply = client.register_script(APPLY)
        self._keys = [key, f"{{{key}}}:batches"]  # the braces keep both on one node of a cluster
        self._cells = cells
        # A new name, since a batch of an earlier process may still be under way.
        self._producer = uuid.uuid4().hex
        self._number = 0
        self._batch = {}

    def flush(self):
        """Send what was not acknowledged, then what was counted since.

        Raises what the client raises. Nothing is lost then: call it again later.
        """
        self._send()
        self._take()
        self._send()

    def _take(self):
        self._number += 1
        for name, cell in self._cells.items():
            for field, delta in drain(name, cell):
                if delta and math.isfinite(delta):  # not so if a histogram observed an infinity
                    self._batch[field] = delta

    def _send(self):
        """Send the batch. If that fails, the server may have it or not: it must not change any more."""
        if self._batch:
            fields = [part for pair in self._batch.items() for part in pair]
            self._apply(keys=self._keys, args=[self._producer, self._number, *fields])
            self._batch = {}
