"""A client of the service that knows nothing but its description: operations are called by their names in /openapi.yaml."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

DEADLINE_S = 60


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Message:
    """Something that came while following."""

    id: str
    event: str
    data: dict


class Client:
    def __init__(self, host: str, port: int, token: str):
        self.host, self.port, self.token = host, port, token
        _, answer = self._send("GET", "/openapi.yaml", {}, None)
        self.document = yaml.safe_load(answer.read())
        self.operations = {operation["operationId"]: (method.upper(), path, operation)
                           for path, methods in self.document["paths"].items() for method, operation in methods.items()}

    def call(self, name: str, body: dict | None = None, accept: str = "application/json", **values) -> Reply:
        connection, answer = self._send(*self._request(name, body, accept, values))
        try:
            return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def follow(self, name: str, **values) -> Iterator[Message]:
        """What comes, until the connection breaks or the service ends it. Last-Event-ID is where to go on."""
        connection, answer = self._send(*self._request(name, None, "text/event-stream", values))
        try:
            if answer.status != 200:
                raise RuntimeError(f"{name}: {answer.status}: {answer.read()!r}")
            fields: dict[str, str] = {}
            while line := answer.readline():
                text = line.decode().rstrip("\r\n")
                if text:
                    key, _, value = text.partition(":")
                    fields[key] = value.removeprefix(" ")
                elif "data" in fields:
                    yield Message(fields["id"], fields.get("event", "message"), json.loads(fields["data"]))
                    fields = {}
                else:
                    fields = {}
        finally:
            connection.close()

    def _request(self, name: str, body: dict | None, accept: str, values: dict) -> tuple[str, str, dict[str, str], bytes | None]:
        method, path, operation = self.operations[name]
        headers, query, left = {"Accept": accept}, [], dict(values)
        for parameter in map(self._resolved, operation.get("parameters", [])):
            key = parameter["name"]
            value = left.pop(key, left.pop(key.replace("-", "_"), None))
            if value is None:
                if parameter.get("required"):
                    raise ValueError(f"{name} lacks {key}")
            elif parameter["in"] == "path":
                path = path.replace("{" + key + "}", urllib.parse.quote(str(value), safe=""))
            elif parameter["in"] == "header":
                headers[key] = str(value)
            else:
                query += [(key, str(one)) for one in (value if isinstance(value, list) else [value])]
        if left:
            raise ValueError(f"{name} knows no {sorted(left)}")
        if operation.get("security"):
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            (headers["Content-Type"],) = operation["requestBody"]["content"]
            data = json.dumps(body).encode()
        return method, path + ("?" + urllib.parse.urlencode(query) if query else ""), headers, data

    def _resolved(self, node: dict) -> dict:
        if "$ref" not in node:
            return node
        found = self.document
        for part in node["$ref"].split("/")[1:]:
            found = found[part]
        return found

    def _send(self, method: str, path: str, headers: dict[str, str], body: bytes | None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise
