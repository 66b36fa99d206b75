"""A real redis-server, and a proxy in front of it that breaks connections on request."""

import select
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CHUNK = 65536  # bytes; requests and replies are smaller
SECONDS = 60  # for anything that has to happen
ONCE = Retry(NoBackoff(), 0)  # for a client that does not retry by itself

# What can happen to a request. The first three look the same to the sender: a connection that broke.
PASSED = "passed"
LOST = "lost on the way there"
UNANSWERED = "done, but the reply was lost"
HALF_ANSWERED = "done, but the connection broke in the middle of the reply"
LATE = "held up, and done later"


class Server:
    """A server that keeps what it acknowledged, however it ends. Its socket is a file, not a port."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = str(folder / "socket")
        self.log = folder / "log"
        self.client = redis.Redis(
            unix_socket_path=self.address, decode_responses=True, retry=ONCE, socket_timeout=SECONDS
        )

    def start(self) -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", self.address, "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + SECONDS
        while True:
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()
            with suppress(redis.ConnectionError):  # it is not there yet, or is still loading
                if self.client.ping():
                    return
            time.sleep(0.01)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(SECONDS)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0, self.log.read_text()


@contextmanager
def redis_server() -> Iterator[Server]:
    # The path is short, since the address of a socket has to be.
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = Server(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.client.close()
            server.kill()


class Proxy:
    """Listens on TCP and forwards. `fates`: what happens to the next requests with one of the words."""

    def __init__(self, server: Server, *words: bytes) -> None:
        self.server = server
        self.words = words
        self.fates: deque[str] = deque()
        self.met: list[str] = []
        self.held: list[bytes] = []

    def __enter__(self) -> "Proxy":
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.ended = False
        self.clients: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        socket.create_connection(self.listener.getsockname()).close()  # wakes the accepting thread
        self.threads[0].join()
        for client in self.clients:
            with suppress(OSError):  # most are closed already
                client.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def deliver(self) -> None:
        """Send the delayed requests now; their replies are discarded."""
        for request in self.held:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(self.server.address)
                server.sendall(request)
                server.recv(CHUNK)
        self.held.clear()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            if self.ended:
                client.close()
                return
            self.clients.append(client)
            self.threads.append(threading.Thread(target=self._serve, args=(client,)))
            self.threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        # If the server is down, or goes down, the client's connection breaks, as it would without a proxy.
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self.server.address)
            while self._pass_on(client, server):
                pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Forward what comes next, from either side. Return whether the connection goes on."""
        ready, _, _ = select.select([client, server], [], [])
        if server in ready:
            reply = server.recv(CHUNK)
            client.sendall(reply)
            return bool(reply)
        request = client.recv(CHUNK)
        if self.fates and any(word in request for word in self.words):
            return self._meet_its_fate(request, client, server)
        server.sendall(request)
        return bool(request)

    def _meet_its_fate(self, request: bytes, client: socket.socket, server: socket.socket) -> bool:
        fate = self.fates[0]
        reply = b""
        if fate in (PASSED, UNANSWERED, HALF_ANSWERED):
            server.sendall(request)
            if not (reply := server.recv(CHUNK)):
                return False  # the server was killed; another request will meet this fate
        elif fate == LATE:
            self.held.append(request)
        self.met.append(self.fates.popleft())
        client.sendall(reply[: {PASSED: len(reply), HALF_ANSWERED: len(reply) // 2}.get(fate, 0)])
        return fate == PASSED
