# shellcheck shell=bash
# Mutants of every decision function, and how many of them the simulator finds.
#
#   ops/faults mutants [--sample N] [--seconds N] [--seconds-more N] [--seeds N] [--workers N] [--only TEXT]
#
# All mutants are in one release build of a copy of the sources; the variable MUTANT says which one a process is. What
# does not compile is left out, and the copy written again. Each is given 20 seconds of processor time over small worlds,
# and 180 more over others before it counts as missed. Those in mutants/equivalent.txt behave as the original does, for
# the reasons given there.

MUTANT_SAMPLE=100
MUTANT_ROUNDS_MAX=5

measure() {
  local copy="$OPS_ROOT/.build/mutants" scripts="$OPS_ROOT/ops/faults.d/mutants" arguments=("$@")
  ((${#arguments[@]} > 0)) || arguments=(--sample "$MUTANT_SAMPLE")
  need_swift
  need_packages "${PACKAGES_BUILD[@]}"
  timed "building the mutants (release)" build_mutants "$copy" "$scripts"
  figures_of "$PYTHON" "$scripts/run.py" "$copy/.build/release/simulate" "$copy/mutants.json" \
    "$scripts/equivalent.txt" "${arguments[@]}"
}

build_mutants() {
  local copy=$1 scripts=$2 round
  mkdir -p "$copy"
  : >"$copy/left-out.txt"
  for ((round = 1; round <= MUTANT_ROUNDS_MAX; round++)); do
    "$PYTHON" "$scripts/write.py" "$OPS_ROOT" "$copy" >"$copy/mutants.json"
    if swift build --package-path "$copy" -c release "${SWIFT_FLAGS[@]}" --product simulate >"$copy/build.log" 2>&1; then
      return 0
    fi
    "$PYTHON" "$scripts/write.py" refused "$copy" || fail "the mutants do not build: $copy/build.log"
  done
  fail "the mutants do not build after $MUTANT_ROUNDS_MAX rounds: $copy/build.log"
}
