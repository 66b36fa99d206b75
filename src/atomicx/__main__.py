"""Runs a command: `python -m atomicx`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status; on wrong usage argparse itself exits with 2."""
    # Imported here, so that Ctrl-C during the import ends the command as cleanly as it does later.
    from ._commands import main

    return main(arguments)


def _run() -> int:
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # The reader has closed the pipe, as `| head` does. Flushing the rest at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as the shell reports an end by SIGPIPE
    if status == 130:
        # The interpreter notes an interrupt that leaves code executed from text, as in the making of a named
        # tuple, and later ends by the signal although it was caught here. Executing any text clears the note.
        exec("")
    return status


if __name__ == "__main__":
    sys.exit(_run())
