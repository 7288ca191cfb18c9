# shellcheck shell=bash
# Real MLflow servers on loopback, one directory each under the run directory: sqlite, artifacts, log.

MLFLOW_READY_DEADLINE_S=180
MLFLOW_PORT_ATTEMPTS=3
MLFLOW_URL=""
# What was started, by the server's name.
declare -A MLFLOW_PORT=() MLFLOW_GROUP=() MLFLOW_OPTIONS=() MLFLOW_VENV=() MLFLOW_ENVIRONMENT=()

# launch_mlflow NAME ENVIRONMENT [server option…]: starts one without waiting, so that several start together.
# Environment variables for it come in MLFLOW_SERVER_ENVIRONMENT.
MLFLOW_SERVER_ENVIRONMENT=()

# Webhooks may go to this machine, without TLS, as soon as they are made.
WEBHOOKS_ON_LOOPBACK=(MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true MLFLOW_WEBHOOK_CACHE_TTL=0)

launch_mlflow() {
  local name=$1 environment=$2
  shift 2
  venv "$environment"
  MLFLOW_VENV[$name]=$VENV
  MLFLOW_OPTIONS[$name]="$*"
  MLFLOW_ENVIRONMENT[$name]="${MLFLOW_SERVER_ENVIRONMENT[*]}"
  mkdir -p "$RUN_DIRECTORY/$name"
  spawn_mlflow "$name"
}

spawn_mlflow() {
  local name=$1 directory="$RUN_DIRECTORY/$1" port
  port=$(free_port)
  MLFLOW_PORT[$name]=$port
  # Options and variables hold no spaces: they are made here.
  # shellcheck disable=SC2086
  spawn "$RUN_DIRECTORY/logs/$name.log" env --chdir="$directory" \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true PYTHONUNBUFFERED=1 \
    MLFLOW_FLASK_SERVER_SECRET_KEY="$(random_secret)" "${WEBHOOKS_ON_LOOPBACK[@]}" ${MLFLOW_ENVIRONMENT[$name]} \
    "${MLFLOW_VENV[$name]}/bin/mlflow" server --host 127.0.0.1 --port "$port" --workers 1 \
    --backend-store-uri "sqlite:///$directory/mlflow.db" --artifacts-destination "$directory/artifacts" \
    ${MLFLOW_OPTIONS[$name]}
  MLFLOW_GROUP[$name]=$LAST_PID
}

# await_mlflow NAME: waits until it answers; its address is in MLFLOW_URL. A port may be taken between choosing and
# listening: the server ends at once then, and another port is tried.
await_mlflow() {
  local name=$1 attempt
  for ((attempt = 1; attempt <= MLFLOW_PORT_ATTEMPTS; attempt++)); do
    MLFLOW_URL="http://127.0.0.1:${MLFLOW_PORT[$name]}"
    if "$PYTHON" "$OPS_ROOT/ops/python/wait_ready.py" "$MLFLOW_URL/health" "${MLFLOW_GROUP[$name]}" \
      "$MLFLOW_READY_DEADLINE_S"; then
      return
    fi
    stop_group "${MLFLOW_GROUP[$name]}"
    grep -qi 'address already in use' "$RUN_DIRECTORY/logs/$name.log" || break
    spawn_mlflow "$name"
  done
  tail -n 20 "$RUN_DIRECTORY/logs/$name.log" >&2
  fail "MLflow server $name did not start; its log: $RUN_DIRECTORY/logs/$name.log"
}

launch_mlflow3() { launch_mlflow "$1" mlflow3 "${@:2}"; }
launch_mlflow2() { launch_mlflow "$1" mlflow2 "${@:2}"; }

# One server that stands for many workspaces.
launch_mlflow3_workspaces() { launch_mlflow "$1" mlflow3 --enable-workspaces "${@:2}"; }

# One that asks who is there: user admin, a random password in MLFLOW_AUTH_PASSWORD. Only root and we may read it.
MLFLOW_AUTH_USER="admin"
MLFLOW_AUTH_PASSWORD=""
launch_mlflow3_auth() {
  local name=$1 directory="$RUN_DIRECTORY/$1"
  MLFLOW_AUTH_PASSWORD=$(random_secret)
  mkdir -p "$directory"
  (
    umask 077
    cat >"$directory/basic_auth.ini" <<-INI
	[mlflow]
	default_permission = READ
	database_uri = sqlite:///$directory/basic_auth.db
	admin_username = $MLFLOW_AUTH_USER
	admin_password = $MLFLOW_AUTH_PASSWORD
	authorization_function = mlflow.server.auth:authenticate_request_basic_auth
	INI
  )
  MLFLOW_SERVER_ENVIRONMENT=("MLFLOW_AUTH_CONFIG_PATH=$directory/basic_auth.ini")
  # Its HTTP is spoken by h11, as where only MLflow was installed, and not by httptools.
  launch_mlflow "$name" mlflow3 --app-name basic-auth --uvicorn-opts=--http=h11
  MLFLOW_SERVER_ENVIRONMENT=()
}

random_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# The servers every test may use, and the variables by which it finds them.
# An MLflow 2 server has no workspaces, so Tests/Interop gets one of its own. A server of MLflow 3 keeps one processor
# busy, and most tests wait for it, so there are two: MLFLOW3_URL is the first of MLFLOW3_URLS.
TEST_VARIABLES=(MLFLOW3_URL MLFLOW3_URLS MLFLOW2_URL MLFLOW2_INTEROP_URL MLFLOW_AUTH_URL MLFLOW_AUTH_USER MLFLOW_AUTH_PASSWORD
  MARKETPLACE_PYTHON3 MARKETPLACE_PYTHON2 MARKETPLACE_PYTHON_BROWSER AUDIT_PYTHON)

start_test_servers() {
  launch_mlflow3_workspaces mlflow3
  launch_mlflow3_workspaces mlflow3-second
  launch_mlflow2 mlflow2
  launch_mlflow2 mlflow2-interop
  launch_mlflow3_auth mlflow3-auth
  await_mlflow mlflow3 && MLFLOW3_URL=$MLFLOW_URL
  await_mlflow mlflow3-second && MLFLOW3_URLS="$MLFLOW3_URL $MLFLOW_URL"
  await_mlflow mlflow2 && MLFLOW2_URL=$MLFLOW_URL
  await_mlflow mlflow2-interop && MLFLOW2_INTEROP_URL=$MLFLOW_URL
  await_mlflow mlflow3-auth && MLFLOW_AUTH_URL=$MLFLOW_URL
  MARKETPLACE_PYTHON3="${MLFLOW_VENV[mlflow3]}/bin/python"
  MARKETPLACE_PYTHON2="${MLFLOW_VENV[mlflow2]}/bin/python"
  venv audit
  AUDIT_PYTHON="$VENV/bin/python"
  venv browser
  MARKETPLACE_PYTHON_BROWSER="$VENV/bin/python"
  export "${TEST_VARIABLES[@]}"
}

# The destination of the other importer (Tests/Interop/test_peer.py), with artifacts on its own disk: that importer
# writes to the artifact store itself. Its own environment, because it pins an MLflow 2.
start_peer_server() {
  launch_mlflow2 mlflow2-peer --no-serve-artifacts --default-artifact-root "$RUN_DIRECTORY/mlflow2-peer/artifacts"
  await_mlflow mlflow2-peer
  venv peer
  export MLFLOW_PEER_URL=$MLFLOW_URL MARKETPLACE_PYTHON_PEER="$VENV/bin/python"
}

print_test_environment() {
  local name
  for name in "${TEST_VARIABLES[@]}" "${S3_VARIABLES[@]}" "${BUCKET_VARIABLES[@]}"; do printf 'export %s=%q\n' "$name" "${!name}"; done
}
