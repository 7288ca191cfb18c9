# shellcheck shell=bash
# Mutants of every decision function, and how many of them the simulator finds.
#
#   ops/faults mutants [--sample N] [--seeds N] [--workers N]
#
# All mutants are in one release build of a copy of the sources; the variable MUTANT says which one a process is. What
# does not compile is left out, and the copy written again.

MUTANT_SAMPLE=100
MUTANT_ROUNDS_MAX=5

measure() {
  local copy="$OPS_ROOT/.build/mutants" arguments=("$@")
  ((${#arguments[@]} > 0)) || arguments=(--sample "$MUTANT_SAMPLE")
  need_swift
  need_packages "${PACKAGES_BUILD[@]}"
  timed "building the mutants (release)" build_mutants "$copy"
  figures_of "$PYTHON" "$OPS_ROOT/ops/faults.d/mutants.py" run "$copy/.build/release/simulate" "$copy/mutants.json" "${arguments[@]}"
}

build_mutants() {
  local copy=$1 round
  mkdir -p "$copy"
  : >"$copy/left-out.txt"
  for ((round = 1; round <= MUTANT_ROUNDS_MAX; round++)); do
    rm -rf "$copy/Sources" "$copy/Tests" "$copy/migrations"
    cp -a "$OPS_ROOT"/{Package.swift,Package.resolved,Sources,Tests,migrations} "$copy"
    "$PYTHON" "$OPS_ROOT/ops/faults.d/mutants.py" write "$copy" "$copy/left-out.txt" >"$copy/mutants.json"
    if swift build --package-path "$copy" -c release --disable-index-store --product simulate >"$copy/build.log" 2>&1; then
      return 0
    fi
    "$PYTHON" "$OPS_ROOT/ops/faults.d/mutants.py" refused "$copy" || fail "the mutants do not build: $copy/build.log"
  done
  fail "the mutants do not build after $MUTANT_ROUNDS_MAX rounds: $copy/build.log"
}
