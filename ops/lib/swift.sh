# shellcheck shell=bash
# How the package is built here: one set of flags for every script, so that nothing is compiled twice. Without debug
# information a build takes half the time. The index stays on: without it SwiftPM 6.3 cannot build test targets on Linux.
SWIFT_FLAGS=(-debug-info-format none)
# Test targets that need neither PostgreSQL nor MLflow.
UNIT_TEST_TARGETS='^(MarketplaceTests|StorageTests|RegistryTests)\.'

need_swift() {
  command -v swift >/dev/null || fail "Swift 6.2 or later is needed: https://www.swift.org/install/linux/"
}

# Errors are all that is shown of a build.
SWIFT_BUILD=(swift build --quiet --package-path "$OPS_ROOT" "${SWIFT_FLAGS[@]}")
swift_build() { run "${SWIFT_BUILD[@]}" "$@"; }
# Every test in flight holds databases, connections and servers' workers, and mostly waits for a server: two cores serve a
# few of them best.
SWIFT_TEST=(env SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=6 swift test --skip-build --package-path "$OPS_ROOT" "${SWIFT_FLAGS[@]}")
swift_test() { run "${SWIFT_TEST[@]}" "$@"; }
build_everything() { swift_build --build-tests; }

# Where a debug build puts `marketplace`.
marketplace_binary() {
  printf '%s/marketplace' "$(swift build --package-path "$OPS_ROOT" "${SWIFT_FLAGS[@]}" --show-bin-path)"
}

# Format, banned constructs and scripts: nothing here compiles anything.
check_sources() {
  timed "format" check_format
  timed "tidy" "$PYTHON" "$OPS_ROOT/ops/python/tidy.py" "$OPS_ROOT"
  if command -v shellcheck >/dev/null; then timed "shellcheck" check_scripts; fi
  check_schedules
}

check_format() {
  (cd "$OPS_ROOT" && swift format lint --strict --parallel --recursive Package.swift Sources Tests)
}

check_scripts() {
  local scripts
  mapfile -t scripts < <(cd "$OPS_ROOT" && grep --files-with-matches --recursive -I --max-count=1 \
    -e '^#!/usr/bin/env bash' -e '^# shellcheck shell=bash' .ci ops)
  (cd "$OPS_ROOT" && shellcheck --external-sources "${scripts[@]}")
}
