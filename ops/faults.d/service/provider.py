"""An identity provider on loopback, for those who try its tokens: what it publishes, and tokens signed by it or by somebody else.

Signed with joserfc, which is not what the service verifies with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

AUDIENCE = "marketplace"
ALGORITHMS = ["RS256", "ES256"]


class Provider:
    """Its keys can be changed, and it can be away."""

    def __init__(self):
        self.keys = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}), ECKey.generate_key("P-256", {"kid": "curve"})]
        self.asked, self.is_away = 0, False
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                found = None if provider.is_away else provider.documents().get(self.path)
                body = json.dumps(found).encode()
                self.send_response(200 if found else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}/tenant"

    def documents(self) -> dict[str, dict]:
        # As providers do, with keys that are for nobody here.
        others = [{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, {"kty": "AKP", "kid": "later", "alg": "ML-DSA-65"}]
        return {"/tenant/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"},
                "/tenant/keys": {"keys": [*KeySet(self.keys).as_dict(private=False)["keys"], *others]}}

    def settings(self, callers: list[dict]) -> dict:
        return {"issuer": self.issuer, "audiences": [AUDIENCE], "algorithms": ALGORITHMS, "callers": callers}

    def claims(self, **changes: object) -> dict:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "nightly", "iat": now, "nbf": now, "exp": now + 600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key=None, header: dict | None = None, **changes: object) -> str:
        """A token; a claim that is None is left out."""
        key = key or self.keys[0]
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, self.claims(**changes), key, algorithms=[algorithm])

    def forged(self, header: dict, sign=lambda message: b"", **changes: object) -> str:
        """A token of which nothing is as a library would have it."""
        message = f"{encoded(header)}.{encoded(self.claims(**changes))}"
        return f"{message}.{encoded(sign(message.encode()))}"

    def forgeries(self) -> dict[str, list[str]]:
        """What has been let in elsewhere, by its kind."""
        own, stranger = self.keys[0], RSAKey.generate_key(2048, {"kid": self.keys[0].kid})
        public, modulus = own.as_pem(private=False), own.as_dict(private=False)["n"]

        def by(secret: bytes):
            return lambda message: hmac.new(secret, message, hashlib.sha256).digest()

        def rsa(key: RSAKey):
            return lambda message: key.private_key.sign(message, PKCS1v15(), SHA256())

        good = self.token()
        head, claims, signature = good.split(".")
        rs256 = {"alg": "RS256", "kid": own.kid}
        return {
            "alg: none": [self.forged({"alg": name, "kid": own.kid, "typ": "JWT"}) for name in ("none", "None", "NONE", "nOnE", "")]
            + [f"{encoded({'alg': 'none'})}.{claims}.{signature}", f"{head}.{claims}.", f"{head}.{claims}"],
            "key confusion": [self.forged({"alg": name, "kid": kid}, by(secret)) for name in ("HS256", "HS384", "hs256")
                              for kid in (own.kid, "shared") for secret in (public, public.strip(), modulus.encode(), b"secret", b"")]
            + [self.forged({"alg": "ES256", "kid": own.kid}, rsa(own)), self.forged({"alg": "RS256", "kid": "curve"}, rsa(own)),
               self.forged({"alg": "PS256", "kid": own.kid}, rsa(own)), self.forged({"alg": "RS512", "kid": own.kid}, rsa(own))],
            "another's key": [self.token(stranger), self.token(stranger, {"jwk": stranger.as_dict(private=False)}),
                              self.token(stranger, {"jku": f"{self.issuer}/keys", "kid": "x"}), self.token(stranger, {"x5u": "http://127.0.0.1:1/"})]
            + [self.token(own, {"kid": kid}) for kid in ("second", "", "../../dev/null", "first' or '1'='1", "first\x00", "a" * 2_000)],
            "something not understood": [self.forged({**rs256, **extra}, rsa(own)) for extra in (
                {"crit": ["exp"]}, {"crit": []}, {"crit": "exp"}, {"typ": "logout+jwt"}, {"alg": ["RS256"]}, {"kid": 1}, {"kid": ["first"]})],
            "turned by hand": [f"{head}.{encoded(self.claims(sub='root'))}.{signature}", f"{good}.{signature}", f"{head}..{signature}",
                               f"{head}.{claims}.{signature[::-1]}", f".{claims}.{signature}", good[:-8], f"{head}.{claims}.{'A' * len(signature)}"],
            "claims": [self.token(**changes) for changes in (
                {"iss": "https://login.example.org"}, {"iss": None}, {"iss": f"{self.issuer}/"}, {"iss": [self.issuer]}, {"exp": None},
                {"exp": "9999999999"}, {"exp": 10**30}, {"nbf": int(time.time()) + 3_600}, {"iat": int(time.time()) + 3_600})],
            "too large": [self.token(note="a" * 9_000)],
        }


def encoded(part: dict | bytes) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
