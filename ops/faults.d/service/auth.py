"""ops/faults auth: whoever may not is refused from the outside, and is told nothing about what there is.

usage: auth.py PROGRAM DIRECTORY CLUSTER_DIRECTORY

Everything is tried over HTTP, against a catalog that is closed. A try survives when the answer has the status that it should
have, and says nothing about what lies behind: whether a workspace is there, or a token. At the end the log must have what was
let in, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import uuid
from pathlib import Path

from database import Cluster
from service import DEADLINE_S, PRINCIPAL, TYPE, Service, bearer, close, until
from wire import Connection

# Addresses that show something of the catalog.
CATALOG = ["/models", "/models/dev01.readmission-risk", "/models/dev01.readmission-risk/versions/1", "/workspaces", "/changes",
           "/changes.atom", "/audit", "/events/dev01/1", "/v1/audit/checkpoint", "/v1/audit/proofs/1"]
EVENTS = ["/v1/events", "/v1/workspaces/dev01/events", "/v1/workspaces/dev01/streams/workspace"]
# What a stranger must not read anywhere.
SECRETS = ["readmission", "dev02", "sha256", "select ", "postgres", "/tmp/", "Swift"]


class Tries:
    def __init__(self, service: Service):
        self.service, self.tried, self.survived = service, {}, {}

    def expect(self, kind: str, what: str, is_so: bool, said: object = "") -> None:
        self.tried[kind] = self.tried.get(kind, 0) + 1
        self.survived[kind] = self.survived.get(kind, 0) + bool(is_so)
        if not is_so:
            print(f"not refused as it should be: {kind}: {what}: {said!r}"[:600], flush=True)

    def refused(self, kind: str, status: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> None:
        answer = self.service.send(method, path, headers, body)
        told = answer.body.decode(errors="replace")
        leaks = [secret for secret in SECRETS if secret in told and secret not in path]
        challenged = status != 401 or "www-authenticate" in answer.headers
        self.expect(kind, f"{method} {path} {headers}", answer.status == status and not leaks and challenged, (answer.status, told[:300]))


def event(number: int | None = None) -> bytes:
    return json.dumps({"id": str(uuid.UUID(int=number) if number else uuid.uuid4()), "stream": "s", "type": TYPE, "data": {}}).encode()


def encoded(part: dict | bytes) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true", help="it is short already")
    options = parser.parse_args()
    service = Service(options.program, options.directory / "auth", Cluster(options.cluster), catalog="closed")
    tries = Tries(service)
    catalog, reader = service.token("catalog"), service.token("events:read", workspaces=("dev01",))
    writer = service.token("events:append", workspaces=("dev01",))
    nobody = service.token("events:append", "events:read", principal="nobody_granted")
    revoked, expired = service.token("catalog", "events:read"), service.token("catalog", "events:read")
    service.run("token", "revoke", revoked)
    owner = Connection(service.conninfo)
    # A token that ended yesterday cannot be made by command: its event is written as the command would have.
    expired = ended_yesterday(owner, expired)
    service.start()
    begun = counted(owner)

    # No token, or nothing that is one.
    id_, secret = reader.split("_", 2)[1:]
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    garbage = ["", " ", "x", "mpt_", f"mpt_{id_}", f"mpt_{id_}_", f"mpt_{id_}_{secret[:-1]}", f"mpt_{id_}_{secret[::-1]}", f"mpt_{id_}_{secret}x",
               reader.upper(), f"mpt_{'a' * 12}_{secret}", f"mpt_{id_}_{'A' * 43}", f"mpt_{id_}%00_{secret}", "null", "undefined", "' or 1=1 --",
               f"{none}.{encoded({'sub': PRINCIPAL, 'scope': 'catalog events:read'})}.",
               f"{encoded({'alg': 'HS256'})}.{encoded({'sub': PRINCIPAL})}.{encoded(b'x' * 32)}", "a" * 7_000]
    for path in CATALOG + EVENTS:
        tries.refused("no token", 401, "GET", path)
        tries.refused("no token", 401, "HEAD", path)
        for shown in garbage:
            tries.refused("no token of ours", 401, "GET", path, {"Authorization": f"Bearer {shown}"})
        for header in (reader, f"Token {reader}", f"Basic {encoded(reader.encode())}", "Bearer", f"Bearer{reader}"):
            tries.refused("not shown as a bearer", 401, "GET", path, {"Authorization": header})
        for token, code in ((revoked, "token_revoked"), (expired, "token_expired")):
            tries.refused("revoked, expired", 401, "GET", path, bearer(token))
            tries.expect("revoked, expired", f"{path}: the code", service.get(path, token).json()["code"] == code)
        for elsewhere in (f"{path}?access_token={reader}", f"{path}?token={catalog}"):
            tries.refused("token in the address", 401, "GET", elsewhere)
        tries.refused("token in a cookie", 401, "GET", path, {"Cookie": f"token={catalog}; Authorization=Bearer {catalog}"})
        for name in ("X-Forwarded-User", "X-Remote-User", "X-Api-Key", "Proxy-Authorization", "X-Original-Authorization"):
            tries.refused("identity in another header", 401, "GET", path, {name: catalog})

    # A token for something else.
    for path in CATALOG:
        tries.refused("other scope", 403, "GET", path, bearer(reader))
    for path in EVENTS:
        tries.refused("other scope", 403, "GET", path, bearer(catalog))
        tries.refused("other scope", 403, "GET", path, bearer(writer))
    json_type = {"Content-Type": "application/json"}
    tries.refused("other scope", 403, "POST", "/v1/workspaces/dev01/events", {**json_type, **bearer(reader)}, event())
    for override in ("X-HTTP-Method-Override", "X-Method-Override"):
        answer = service.send("GET", "/v1/workspaces/dev01/events", {override: "POST", **bearer(reader)}, None)
        tries.expect("method in a header", override, answer.status == 200 and b'"events"' in answer.body, answer.status)

    # Another workspace, whether there is one or not, and however it is written.
    for workspace in ("dev02", "marketplace", "no-such-workspace"):
        tries.refused("other workspace", 403, "GET", f"/v1/workspaces/{workspace}/events", bearer(reader))
        tries.refused("other workspace", 403, "GET", f"/v1/workspaces/{workspace}/streams/workspace", bearer(reader))
        tries.refused("other workspace", 403, "GET", f"/v1/events?workspace={workspace}", bearer(reader))
        tries.refused("other workspace", 403, "GET", f"/v1/events?workspace=dev01&workspace={workspace}", bearer(reader))
        tries.refused("other workspace", 403, "POST", f"/v1/workspaces/{workspace}/events", {**json_type, **bearer(writer)}, event())
    for path in ("/v1/workspaces/dev01/../dev02/events", "/v1/workspaces/dev01%2f..%2fdev02/events", "/v1/workspaces/DEV02/events",
                 "/v1/workspaces/dev02%00/events", "/v1/workspaces/dev02;dev01/events", "//v1/workspaces/dev02/events", "/v1/workspaces//events",
                 "/v1//workspaces/dev02/events", "/V1/workspaces/dev02/events", "/v1/workspaces/%64ev02/events", "/v1/workspaces/dev02/events/",
                 "/./v1/workspaces/dev02/events"):
        answer = service.get(path, reader)
        tries.expect("address turned", path, answer.status in (400, 403, 404) and b"dev02.hospital" not in answer.body, (answer.status, answer.body[:200]))
    body = json.loads(event()) | {"workspace": "dev02"}
    answer = service.append("dev01", body, writer)
    tries.expect("other workspace in the body", "dev02", answer.status == 422, answer.status)
    events = service.get("/v1/events?limit=1000", reader).json()["events"]
    tries.expect("what is read", "all events", bool(events) and {each["workspace"] for each in events} == {"dev01"}, len(events))
    tries.expect("what is followed", "the stream", followed(service, reader) == {"dev01"})

    # What the ledger does not grant, no token gives; and nobody speaks for somebody else.
    for kind in ("ModelExported", "TokenCreated", "EventRedacted", "acme.Unheard"):
        answer = service.append("dev01", json.loads(event()) | {"type": kind}, writer)
        tries.expect("type not granted", kind, answer.status in (403, 422), (answer.status, answer.body[:200]))
    answer = service.append("dev01", json.loads(event()), nobody)
    tries.expect("principal not granted", "nobody_granted", answer.status == 403, answer.status)
    answer = service.append("dev01", json.loads(event()) | {"principal": "root"}, writer)
    tries.expect("principal in the body", "root", answer.status == 201, answer.status)

    # A token that is taken back is let in no longer than a second.
    tries.expect("taken back", "before", service.get("/v1/workspaces/dev01/events", reader).status == 200)
    connection, stream = begun_to_follow(service, reader)
    service.run("token", "revoke", reader)
    until(lambda: service.get("/v1/workspaces/dev01/events", reader).status == 401, 2)
    # What is followed with it ends before anything that happens from then on.
    late = json.loads(event()) | {"data": {"after": "revoked"}}
    tries.expect("taken back", "somebody else appends", service.append("dev01", late, writer).status == 201)
    tries.expect("taken back", "what was followed", b"revoked" not in stream.read())
    connection.close()
    tries.expect("taken back", "after", service.get("/v1/workspaces/dev01/events", reader).json()["code"] == "token_revoked")

    added = counted(owner) - begun
    said = sorted({row[0] for row in owner.run("select distinct principal from ledger.event where type like 'acme.%'")})
    tries.expect("what is in the log", "two events, one revocation", added == 3 and said == [PRINCIPAL], (added, said))
    log = (service.folder / "serve.log").read_text()
    tries.expect("what is in its log", "no secret", not any(token.split("_", 2)[2] in log for token in (catalog, reader, writer, revoked, expired)))
    ended = service.stop()
    figures = [{"name": kind, "tried": tries.tried[kind], "survived": tries.survived[kind]} for kind in tries.tried]
    whole = ended == 0 and tries.tried == tries.survived
    figures.append({"name": "all", "tried": sum(tries.tried.values()), "survived": sum(tries.survived.values()), "met": whole})
    close("auth", figures)
    return 0 if whole else 1


def counted(owner: Connection) -> int:
    return int(owner.run("select count(*) from ledger.event")[0][0])


def ended_yesterday(owner: Connection, token: str) -> str:
    """Another token of the same secret, which ended long ago."""
    id_ = token.split("_", 2)[1]
    other = id_[::-1]
    owner.run(f"""
        select ledger.append_one('marketplace', 'token/{other}', 0, gen_random_uuid(), 'TokenCreated', 1::smallint, null,
          replace(regexp_replace(data::text, '"expires":[0-9]+', '"expires":1000000'), '{id_}', '{other}'), null, null, null, null)
        from ledger.event where workspace = 'marketplace' and stream = 'token/{id_}'""")
    return token.replace(id_, other)


def begun_to_follow(service: Service, token: str):
    """A connection that follows from now on, once it does."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=DEADLINE_S)
    connection.request("GET", "/v1/events?cursor=latest", None, {"Accept": "text/event-stream", **bearer(token)})
    answer = connection.getresponse()
    while answer.readline().strip():
        pass
    return connection, answer


def followed(service: Service, token: str) -> set[str]:
    """The workspaces of what comes while following from the beginning, up to the last of dev01."""
    wanted = len(service.get("/v1/workspaces/dev01/events?limit=1000", token).json()["events"])
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=DEADLINE_S)
    connection.request("GET", "/v1/events", None, {"Accept": "text/event-stream", **bearer(token)})
    answer, found, count = connection.getresponse(), set(), 0
    while count < wanted:
        line = answer.readline()
        if line.startswith(b"data: "):
            found.add(json.loads(line[6:])["workspace"])
            count += 1
    connection.close()
    return found


if __name__ == "__main__":
    raise SystemExit(main())
