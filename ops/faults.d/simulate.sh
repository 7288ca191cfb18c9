# shellcheck shell=bash
# A simulated organisation under fire, from seeds: every invariant after every step, and all right after the faults.
#
#   ops/faults simulate                     an hour of fresh seeds
#   ops/faults simulate --steps N           fresh seeds until they have made N steps; --minutes N: for so long
#   ops/faults simulate --seed 0x… --trace  lives one seed again, telling every step
#   ops/faults simulate --months --seeds N  N lives of all 65 workspaces, three months each
#
# A step is a change by a person or a call of a port by a job. Documentation.docc/Simulation.md says what is simulated.

SIMULATE_MINUTES=60

measure() {
  local arguments=("$@")
  ((${#arguments[@]} > 0)) || arguments=(--minutes "$SIMULATE_MINUTES")
  need_swift
  need_packages "${PACKAGES_BUILD[@]}"
  timed "building the simulator (release)" build_simulator
  figures_of "$SIMULATOR" "${arguments[@]}"
}

SIMULATOR=""
build_simulator() {
  swift_build -c release --product simulate
  SIMULATOR="$(swift build --package-path "$OPS_ROOT" -c release "${SWIFT_FLAGS[@]}" --show-bin-path)/simulate"
}
