# shellcheck shell=bash
# The frame of ops/bench and ops/faults: one file per name, one line of JSON at the end.

# dispatch KIND NAME [argument…]: runs ops/KIND.d/NAME.sh, which defines `measure`; that ends with `figures JSON`, one line.
dispatch() {
  local kind=$1 name=${2:-} file
  if [[ -z "$name" ]]; then
    list_names "$kind"
    return
  fi
  shift 2
  file="$OPS_ROOT/ops/$kind.d/$name.sh"
  if [[ ! -f "$file" ]]; then
    warn "there is no $kind called $name"
    list_names "$kind" >&2
    exit 2
  fi
  stop_on_exit
  make_run_directory "$kind"
  # shellcheck source=/dev/null
  source "$file"
  find_python
  measure "$@"
  keep_figures "$kind" "$name"
  RUN_SUCCEEDED=true
}

# The first comment line of each file says what it measures.
list_names() {
  local file
  printf 'usage: ops/%s NAME\n' "$1"
  for file in "$OPS_ROOT/ops/$1.d"/*.sh; do
    [[ -f "$file" ]] || continue
    printf '  %-14s %s\n' "$(basename "$file" .sh)" "$(grep -m 1 '^# [A-Z]' "$file" | cut -c3-)"
  done
}

# figures JSON: what `measure` ends with; it is also the last line that anyone sees.
figures() { printf '%s\n' "$1" | tee "$RUN_DIRECTORY/figures.json"; }

# figures_of COMMAND…: runs a program that measures and prints that line last itself.
figures_of() {
  run "$@" > >(tee "$RUN_DIRECTORY/output.txt") || return $?
  wait_until "$OUTPUT_DEADLINE_MS" ends_with_json "$RUN_DIRECTORY/output.txt" || fail "no line of JSON at the end of: $*"
  tail -n 1 "$RUN_DIRECTORY/output.txt" >"$RUN_DIRECTORY/figures.json"
}

# python_over_cluster SCRIPT [argument…]: a fault test in Python, below ops/faults.d, over a PostgreSQL of its own.
python_over_cluster() {
  local script=$1
  shift
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  start_cluster ledger jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger" "$VENV/bin/python" \
    "$OPS_ROOT/ops/faults.d/$script" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}

OUTPUT_DEADLINE_MS=5000
ends_with_json() { [[ "$(tail -n 1 "$1")" == '{'*'}' ]]; }

keep_figures() {
  local kept="$OPS_ROOT/.build/figures"
  [[ -s "$RUN_DIRECTORY/figures.json" ]] || fail "ops/$1 $2 ended without figures"
  "$PYTHON" "$OPS_ROOT/ops/python/check_figures.py" "$1" "$2" <"$RUN_DIRECTORY/figures.json" ||
    fail "the last line of ops/$1 $2 is not the line of JSON it should be"
  mkdir -p "$kept"
  cp "$RUN_DIRECTORY/figures.json" "$kept/$1-$2.json"
}

# A release build, for figures that mean something; kept apart from the debug build of the tests. MARKETPLACE_BIN=PATH
# measures a program that is already built.
release_build() {
  [[ -z "$MARKETPLACE_BIN" ]] || return 0
  need_swift
  need_packages "${PACKAGES_BUILD[@]}"
  run swift build --quiet --package-path "$OPS_ROOT" -c release --disable-index-store --product marketplace
  MARKETPLACE_BIN="$(swift build --package-path "$OPS_ROOT" -c release --disable-index-store --show-bin-path)/marketplace"
}
