"""Stands for `python` and `ladle` on a page: `python client.py SOCKET ARGUMENTS` has runner.py run Python with them.

That process has imported what takes most of the second that a command would need; it forks one that has the files
and the folder of this one.
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main(address: str, *arguments: str) -> int:
    if not arguments or arguments[0].startswith("-") and arguments[0] != "-m":
        os.execv(sys.executable, [sys.executable, *arguments])
    order = {"arguments": arguments, "folder": os.getcwd(), "env": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [b"."], [0, 1, 2])
        line.sendall(json.dumps(order).encode())
        line.shutdown(socket.SHUT_WR)
        code = int(line.recv(16))
    if code < 0:
        os.kill(os.getpid(), -code)  # the shell says what ended it
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
