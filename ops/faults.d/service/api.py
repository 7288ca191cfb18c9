"""ops/faults api: schemathesis attacks the running service with all its checks, from the description that it serves.

usage: api.py PROGRAM DIRECTORY CLUSTER_DIRECTORY SCHEMATHESIS [--short] [--seconds N] [--seed N]

Requests are made from the description, as it says and as it forbids, alone and in the sequences that its links allow. Each answer is
held against the description; a schema-valid request may be refused for what a description cannot say: that something is not
there (404), was decided on another version (409, 412), or cannot be appended there (422).

Before that a client that knows nothing but the description appends, reads, and follows, while the service is killed again and again:
it must miss nothing and be told nothing twice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import threading
import time
import uuid
from pathlib import Path

from client import Client
from database import Cluster
from service import TYPE, Service, close, until

SECONDS = 1_800
SECONDS_SHORT = 40
KILLS, KILLS_SHORT = 20, 3
EXPECTED = ["2xx", "401", "403", "404", "409", "412", "422"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("schemathesis")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = options.seconds or (SECONDS_SHORT if options.short else SECONDS)
    service = Service(options.program, options.directory / "api", Cluster(options.cluster))
    token = service.token("catalog", "events:read", "events:append")
    service.start()
    followed = across_kills(service, token, KILLS_SHORT if options.short else KILLS, random.Random(options.seed))
    settings, report = service.folder / "schemathesis.toml", service.folder / "report.json"
    settings.write_text(f'hooks = {json.dumps(str(Path(__file__).with_name("hooks.py")))}\n'
                        f'[checks.positive_data_acceptance]\nexpected-statuses = {json.dumps(EXPECTED)}\n'
                        f'[auth.openapi.token]\nbearer = "{token}"\n')
    done = subprocess.run(
        [options.schemathesis, "--config-file", str(settings), "run", f"{service.url}/openapi.yaml", "--checks", "all",
         "--continue-on-failure", "--max-time", str(seconds), "--seed", str(options.seed), "--no-color", "--report", "json",
         "--report-json-path", str(report)], cwd=service.folder, check=False)
    result = json.loads(report.read_text())
    cases, operations = result["test_cases"], result["operations"]
    alive = service.get("/readyz").status == 200
    ended = service.stop()
    for failure in result["failures"]:
        print(f"{failure['title']}: {', '.join(failure['operations'])}")
    tried, failed = cases["generated"], cases["with_failures"] + cases["errored"]
    whole = done.returncode == 0 and alive and ended == 0 and operations["tested"] == operations["total"]
    close("api", [followed, {"name": "schemathesis, all checks", "tried": tried, "survived": tried - failed, "seconds": seconds, "seed": options.seed,
                   "operations": operations["tested"], "met": whole and failed == 0}])
    return 0 if whole and failed == 0 and followed["met"] else 1


def across_kills(service: Service, token: str, kills: int, chance: random.Random) -> dict:
    """Appends and follows across kills of the service; what was followed has to be what is read page by page."""
    client = Client("127.0.0.1", service.port, token)
    done, sent, seen = threading.Event(), [], []

    def append() -> None:
        while not done.is_set():
            body = {"id": str(uuid.uuid4()), "stream": f"followed/{len(sent) % 5}", "type": TYPE, "data": {"n": len(sent)}}
            # Sent until it is acknowledged.
            while not done.is_set():
                try:
                    reply = client.call("appendEvents", body, workspace="dev01")
                    if reply.status in (200, 201):
                        sent.append(body["id"])
                        break
                except (OSError, http.client.HTTPException):
                    time.sleep(0.01)

    def follow() -> None:
        last = None
        while True:
            try:
                for message in client.follow("readEvents", Last_Event_ID=last):
                    seen.append(message.data["position"])
                    last = message.id
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    threads = [threading.Thread(target=append), threading.Thread(target=follow, daemon=True)]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        wanted = len(sent) + chance.randint(5, 50)
        until(lambda wanted=wanted: len(sent) >= wanted)
        service.kill()
        service.start()
    done.set()
    threads[0].join()
    acknowledged = set(sent)
    # What is acknowledged gets its position within a moment.
    until(lambda: acknowledged <= {each["id"] for each in pages(client)})
    read = [each["position"] for each in pages(client)]
    until(lambda: len(seen) >= len(read))
    met = seen == read == list(range(1, len(read) + 1)) and len(sent) == len(acknowledged)
    if not met:
        print(f"followed {len(seen)}, read {len(read)}, in order {seen == sorted(set(seen))}")
    return {"name": "a client made of the description: followed across kills", "tried": len(read), "survived": len(set(seen) & set(read)),
            "kills": kills, "appended": len(sent), "met": met}


def pages(client: Client) -> list[dict]:
    events, cursor, is_last = [], None, False
    while not is_last:
        page = client.call("readEvents", cursor=cursor, limit=1_000).json()
        events += page["events"]
        cursor, is_last = page["next"], page["last"]
    return events


if __name__ == "__main__":
    raise SystemExit(main())
