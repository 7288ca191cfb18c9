"""ops/faults auth: whoever may not is refused from the outside, and is told nothing about what there is.

usage: auth.py PROGRAM DIRECTORY CLUSTER_DIRECTORY

Everything is tried over HTTP, against a catalog that is closed. A try survives when the answer has the status that it should
have, and says nothing about what lies behind: whether a workspace is there, or a token. At the end the log must have what was
let in, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from pathlib import Path

from joserfc.jwk import RSAKey

from database import Cluster
from provider import AUDIENCE, Provider, encoded
from service import DEADLINE_S, PRINCIPAL, TYPE, Service, bearer, close, until
from wire import Connection

# Addresses that show something of the catalog.
CATALOG = ["/models", "/models/dev01.readmission-risk", "/models/dev01.readmission-risk/versions/1", "/workspaces", "/changes",
           "/changes.atom", "/audit", "/events/dev01/1", "/v1/audit/checkpoint", "/v1/audit/proofs/1", "/v1/workspaces/dev01/exports",
           "/v1/workspaces/dev01/imports"]
EVENTS = ["/v1/events", "/v1/workspaces/dev01/events", "/v1/workspaces/dev01/streams/workspace", "/v1/workspaces/dev01/runs"]
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true", help="it is short already")
    options = parser.parse_args()
    provider = Provider()
    callers = [{"claims": {"sub": "nightly"}, "principal": PRINCIPAL, "scopes": ["events:append", "events:read"], "workspaces": ["dev01"]},
               {"claims": {"groups": "readers"}, "principal": "kiosk", "scopes": ["catalog"]}]
    service = Service(options.program, options.directory / "auth", Cluster(options.cluster), catalog="closed", providers=[provider.settings(callers)])
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

    vouched_for(tries, provider, reader)
    webhooks(tries)

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
    tries.expect("what is in the log", "three events, one revocation", added == 4 and said == [PRINCIPAL], (added, said))
    log = (service.folder / "serve.log").read_text()
    tries.expect("what is in its log", "no secret", "eyJ" not in log and not any(token.split("_", 2)[2] in log for token in (catalog, reader, writer, revoked, expired)))
    ended = service.stop()
    figures = [{"name": kind, "tried": tries.tried[kind], "survived": tries.survived[kind]} for kind in tries.tried]
    whole = ended == 0 and tries.tried == tries.survived
    figures.append({"name": "all", "tried": sum(tries.tried.values()), "survived": sum(tries.survived.values()), "met": whole})
    close("auth", figures)
    return 0 if whole else 1


def vouched_for(tries: Tries, provider: Provider, reader: str) -> None:
    """Tokens of an identity provider, and what others say are its tokens."""
    service, events, json_type = tries.service, "/v1/workspaces/dev01/events", {"Content-Type": "application/json"}

    def status(token: str, path: str = events) -> int:
        return service.get(path, token).status

    # Where its keys cannot be had, nobody knows who asks, and whoever asks is told that it is not their fault.
    provider.is_away = True
    tries.expect("a provider", "away", status(provider.token()) == 503)
    tries.expect("a provider", "away: tokens of others", status(provider.token(iss="x")) == 401)
    tries.expect("a provider", "away: tokens of the service", status(reader) == 200)
    provider.is_away = False
    until(lambda: status(provider.token()) == 200)
    for what, token in {"an elliptic curve": provider.token(provider.keys[1]), "several readers": provider.token(aud=["other", AUDIENCE]),
                        "the type of access tokens": provider.token(header={"typ": "at+jwt"}), "no time of beginning": provider.token(nbf=None, iat=None)}.items():
        tries.expect("a provider", f"lets in: {what}", status(token) == 200, what)
    kiosk = provider.token(sub="ann", groups=["staff", "readers"])
    for path in ("/models", "/v1/workspaces/dev01/exports", "/v1/workspaces/dev02/imports"):
        tries.expect("a provider", f"another caller: {path}", status(kiosk, path) == 200)
    tries.refused("other scope", 403, "GET", events, bearer(kiosk))
    tries.refused("other workspace", 403, "GET", "/v1/workspaces/dev02/events", bearer(provider.token()))
    for changes in ({"sub": "ann"}, {"sub": None}, {"sub": ["nightly"], "groups": None}, {"groups": "staff readers", "sub": "x"}):
        answer = service.get(events, provider.token(**changes))
        wanted = 200 if changes["sub"] == ["nightly"] else 403
        tries.expect("nobody who is known here", str(changes), answer.status == wanted, answer.status)
    for kind, tokens in provider.forgeries().items():
        for token in tokens:
            for path in (events, "/models"):
                tries.refused(kind, 401, "GET", path, bearer(token))
            tries.refused(kind, 401, "POST", events, {**json_type, **bearer(token)}, event())
    for changes, code in (({"aud": "other"}, "token_audience"), ({"aud": None}, "token_audience"), ({"aud": []}, "token_audience"),
                          ({"exp": 1_700_000_000}, "token_expired")):
        answer = service.get(events, provider.token(**changes))
        tries.expect("wrong audience, expired", str(changes), answer.status == 401 and answer.json()["code"] == code, answer.body)
    answer = service.append("dev01", json.loads(event()), provider.token())
    tries.expect("a provider", "its caller appends", answer.status == 201, answer.body)
    # Invented keys do not have its keys read again and again.
    asked, began = provider.asked, time.monotonic()
    for number in range(200):
        status(provider.token(header={"kid": f"invented {number}"}))
    readings = (provider.asked - asked) / 2
    tries.expect("a provider", "left in peace", readings <= 2 + (time.monotonic() - began) / 10, readings)
    # A new key is known soon after somebody shows a token that it signed.
    provider.keys.append(RSAKey.generate_key(2048, {"kid": "second"}))
    until(lambda: status(provider.token(provider.keys[-1])) == 200)
    tries.expect("a provider", "its old key beside the new one", status(provider.token()) == 200)


def webhooks(tries: Tries) -> None:
    """Where no secret is, none is right; and nobody learns where one is."""
    told = set()
    for workspace in ("dev01", "dev02", "no-such-workspace"):
        for secret in (b"", b"secret", b"dev01"):
            message = f"1.{int(time.time())}.".encode() + b"{}"
            signature = base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
            headers = {"X-MLflow-Delivery-Id": "1", "X-MLflow-Timestamp": message.split(b".")[1].decode(), "X-MLflow-Signature": f"v1,{signature}"}
            tries.refused("webhook", 401, "POST", f"/v1/workspaces/{workspace}/webhook", headers, b"{}")
            answer = tries.service.send("POST", f"/v1/workspaces/{workspace}/webhook", headers, b"{}").json()
            told.add(json.dumps({name: value for name, value in answer.items() if name != "instance"}, sort_keys=True))
    tries.expect("webhook", "the same is told of every workspace", len(told) == 1, told)


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
