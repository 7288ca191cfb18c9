"""Turns what the writers said on stdin into the closing line of ops/faults writers."""

import json
import re
import sys

LINE = re.compile(r"^writers: workspaces (\d+) tried (\d+) survived (\d+) killed (\d+) events (\d+)$", re.MULTILINE)

figures = [
    {"name": f"calls-over-{workspaces}-workspaces", "tried": int(tried), "survived": int(survived),
     "connections_killed": int(killed), "events": int(events)}
    for workspaces, tried, survived, killed, events in sorted(LINE.findall(sys.stdin.read()), key=lambda found: int(found[0]))
]
print(json.dumps({"faults": "writers", "figures": figures}))
