# shellcheck shell=bash
# Object stores on loopback for the tests: rclone (plain and with TLS) and moto, each with data of its own.

S3_READY_DEADLINE_MS=60000
# The variables by which tests find them.
S3_VARIABLES=(S3_RCLONE_URL S3_RCLONE_TLS_URL S3_MOTO_URL S3_CA_FILE S3_ACCESS_KEY_ID S3_SECRET_ACCESS_KEY)

start_s3_servers() {
  local tls_port moto_port directory="$RUN_DIRECTORY/s3"
  start_rclone
  mkdir -p "$directory/rclone-tls"
  make_s3_certificate "$directory"
  S3_CA_FILE="$directory/certificate.pem"
  tls_port=$(free_port)
  spawn_rclone rclone-tls "$tls_port" --cert "$S3_CA_FILE" --key "$directory/key.pem"
  moto_port=$(free_port)
  spawn "$RUN_DIRECTORY/logs/moto.log" "$VENV/bin/moto_server" --host 127.0.0.1 --port "$moto_port"
  S3_RCLONE_TLS_URL="https://localhost:$tls_port"
  S3_MOTO_URL="http://127.0.0.1:$moto_port"
  await_s3 rclone-tls "$tls_port"
  await_s3 moto "$moto_port"
  export "${S3_VARIABLES[@]}"
}

# The plain rclone alone, and the keys that all of them take.
start_rclone() {
  local port
  venv s3
  mkdir -p "$RUN_DIRECTORY/s3/rclone"
  S3_ACCESS_KEY_ID="test-$(random_secret | cut -c1-16)"
  S3_SECRET_ACCESS_KEY=$(random_secret)
  port=$(free_port)
  spawn_rclone rclone "$port"
  S3_RCLONE_URL="http://127.0.0.1:$port"
  await_s3 rclone "$port"
}

# spawn_rclone NAME PORT [option…]: what lies in a bucket is seen again after a second, whoever put it there.
spawn_rclone() {
  local name=$1 port=$2
  shift 2
  spawn "$RUN_DIRECTORY/logs/$name.log" "$VENV/bin/rclone" serve s3 --config /dev/null --addr "127.0.0.1:$port" \
    --auth-key "$S3_ACCESS_KEY_ID,$S3_SECRET_ACCESS_KEY" --dir-cache-time 1s --poll-interval 0 "$@" \
    "$RUN_DIRECTORY/s3/$name"
}

make_s3_certificate() {
  command -v openssl >/dev/null || need_packages openssl
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$1/key.pem" -out "$1/certificate.pem" 2>"$RUN_DIRECTORY/logs/openssl.log" ||
    fail "openssl could not make a certificate: $RUN_DIRECTORY/logs/openssl.log"
}

await_s3() {
  wait_until "$S3_READY_DEADLINE_MS" port_answers "$2" ||
    fail "the object store $1 did not start; its log: $RUN_DIRECTORY/logs/$1.log"
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# MLflow 3.17 whose artifacts lie in a bucket, for the tests: one without a proxy, in rclone, and one whose proxy puts them
# into moto and signs addresses past itself. Needs the object stores.
BUCKET_VARIABLES=(MLFLOW_BUCKET_URL MLFLOW_BUCKET_ROOT MLFLOW_SIGNING_URL)

start_bucket_servers() {
  mkdir -p "$RUN_DIRECTORY/s3/rclone/artifacts"
  MLFLOW_BUCKET_ROOT="s3://artifacts/mlflow"
  launch_mlflow3_bucket mlflow3-bucket "$S3_RCLONE_URL" --no-serve-artifacts --default-artifact-root "$MLFLOW_BUCKET_ROOT"
  curl --silent --show-error --fail --output /dev/null --request PUT "$S3_MOTO_URL/artifacts" ||
    fail "moto makes no bucket: $RUN_DIRECTORY/logs/moto.log"
  launch_mlflow3_bucket mlflow3-signing "$S3_MOTO_URL" --artifacts-destination s3://artifacts/mlflow
  await_mlflow mlflow3-bucket && MLFLOW_BUCKET_URL=$MLFLOW_URL
  await_mlflow mlflow3-signing && MLFLOW_SIGNING_URL=$MLFLOW_URL
  export "${BUCKET_VARIABLES[@]}"
}

# launch_mlflow3_bucket NAME ENDPOINT [server option…]
launch_mlflow3_bucket() {
  MLFLOW_SERVER_ENVIRONMENT=("MLFLOW_S3_ENDPOINT_URL=$2" "AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY_ID"
    "AWS_SECRET_ACCESS_KEY=$S3_SECRET_ACCESS_KEY" AWS_DEFAULT_REGION=us-east-1)
  launch_mlflow3_workspaces "$1" "${@:3}"
  MLFLOW_SERVER_ENVIRONMENT=()
}
