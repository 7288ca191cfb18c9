"""Waits until a server answers 200: wait_ready.py URL PROCESS_GROUP DEADLINE_S.

Ends with 1 when the server's process group is gone, with 2 when the deadline passes first.
"""

import os
import sys
import time
import urllib.error
import urllib.request

POLL_PAUSE_S = 0.1
REQUEST_TIMEOUT_S = 5


def is_alive(group: int) -> bool:
    try:
        with open(f"/proc/{group}/stat") as stat:
            return stat.read().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_TIMEOUT_S) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def main(url: str, group: int, deadline_s: float) -> int:
    # Loopback is never behind a proxy, whatever the environment says.
    os.environ["no_proxy"] = "127.0.0.1"
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if not is_alive(group):
            return 1
        if answers(url) and is_alive(group):
            return 0
        time.sleep(POLL_PAUSE_S)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
