"""The task of ops/databricks, against a token endpoint and a program of the test's own. No Databricks is needed."""

import http.server
import json
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ops" / "databricks" / "run_marketplace.py"


@pytest.fixture
def host():
    """Gives tokens token-1, token-2 … that live a fifth of a second each."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append((self.path, form, self.headers["Authorization"]))
            body = json.dumps({"access_token": f"token-{len(asked)}", "expires_in": 0.2}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def run(tmp_path, program: str, *options: str) -> subprocess.CompletedProcess:
    binary = tmp_path / "marketplace"
    binary.write_text("#!/bin/sh\n" + program)
    environment = {"PATH": "/usr/bin:/bin", "DATABRICKS_CLIENT_ID": "me", "DATABRICKS_CLIENT_SECRET": "hidden"}
    command = [sys.executable, str(SCRIPT), "--binary", str(binary), *options, "--", "sync", "--deadline", "3h"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_token_lies_where_the_configuration_looks_and_is_renewed(tmp_path, host):
    url, asked = host
    # Waits until the file holds another token than the first.
    program = 'f=$CREDENTIALS_DIRECTORY/dev01; stat -c %a "$f"; a=$(cat "$f"); while [ "$(cat "$f")" = "$a" ]; do :; done; '
    done = run(tmp_path, program + 'echo "$a $* $DATABRICKS_CLIENT_SECRET."', "--token", f"dev01={url}")
    assert done.stdout.split("\n")[:2] == ["600", "token-1 sync --deadline 3h ."]
    assert done.returncode == 0
    path, form, authorization = asked[0]
    assert path == "/oidc/v1/token"
    assert form == {"grant_type": ["client_credentials"], "scope": ["all-apis"]}
    assert authorization.startswith("Basic ")


def test_a_token_that_cannot_be_had_is_left_to_the_program_to_tell(tmp_path):
    done = run(tmp_path, 'test ! -e "$CREDENTIALS_DIRECTORY/dev01" && exit 3', "--token", "dev01=http://127.0.0.1:1")
    assert "no token could be had from http://127.0.0.1:1" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("status", [0, 6])
def test_a_run_that_is_well_ends_well(tmp_path, status):
    assert run(tmp_path, f"exit {status}").returncode == 0


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 7, 8])
def test_any_other_end_fails_the_task_and_is_named(tmp_path, status):
    done = run(tmp_path, f"exit {status}")
    assert done.returncode == 1
    assert f"ended with {status}" in done.stderr


def test_a_cancelled_job_lets_the_program_finish_and_leaves_no_credentials(tmp_path):
    binary = tmp_path / "marketplace"
    binary.write_text("#!/bin/sh\ntrap 'echo finished; exit 143' TERM\necho $CREDENTIALS_DIRECTORY\nsleep 60 >/dev/null 2>&1 &\nwait\n")
    command = [sys.executable, str(SCRIPT), "--binary", str(binary), "--", "sync"]
    with subprocess.Popen(command, env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        credentials = script.stdout.readline().strip()
        assert Path(credentials).is_dir()
        script.terminate()
        output, errors = script.communicate(timeout=60)
    assert output == "finished\n"
    assert script.returncode == 1 and "ended with 143" in errors
    assert not Path(credentials).exists()
