"""Threads count, and their counts go to Redis. To try it, in this folder, with a server on this machine:

    redis-server --appendonly yes --appendfsync always
    python count.py redis://localhost
    redis-cli HGETALL shop

Stop the server and start it again as often as you like. Ctrl-C ends the program, as soon as everything that
it counted has arrived. It then prints what its threads counted themselves.
"""

import json
import random
import signal
import sys
import threading
import time

import redis
from flusher import Flusher

from atomicx import AtomicBool, Counter, Family, Histogram

INTERVAL_SECONDS = 0.1
METHODS = ["GET", "PUT", "PUT", "DELETE"]

requests = Family(Counter, "method")
size = Histogram([1000, 1_000_000])  # bytes
stopped = AtomicBool()


def serve(method, served):
    while not stopped.load():
        answer = random.randrange(2_000_000)
        requests[method].inc()
        size.observe(answer)
        served.append((method, answer))
        time.sleep(0.001)


def flushed(flusher):
    """Return whether everything that was counted has arrived. If not, the next call retries."""
    try:
        flusher.flush()
    except redis.RedisError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    return True


def main(url):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.store(True))  # an Event's set() could deadlock here
    flusher = Flusher(
        redis.Redis.from_url(url, socket_timeout=5), "shop", {"requests": requests, "size": size}
    )
    served = []
    threads = [threading.Thread(target=serve, args=(method, served)) for method in METHODS]
    for thread in threads:
        thread.start()
    while not stopped.load():
        flushed(flusher)
        time.sleep(INTERVAL_SECONDS)
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C gives up the rest
    while not flushed(flusher):
        time.sleep(INTERVAL_SECONDS)
    methods = [method for method, _ in served]
    print(json.dumps({method: methods.count(method) for method in set(methods)}))
    print(sum(answer for _, answer in served))


if __name__ == "__main__":
    main(sys.argv[1])
