# shellcheck shell=bash
# The files that schedule and watch, checked by the programs that will read them, where these are installed.

# systemd's own scale: 0 is closed, 10 is open; what it calls "OK" ends at 50 tenths.
UNIT_EXPOSURE_MAX_TENTHS=20

check_schedules() {
  if command -v systemd-analyze >/dev/null; then timed "systemd units" check_units; fi
  if command -v promtool >/dev/null; then timed "alert rules" check_alerts; fi
}

# The program need not be installed for that, so another one stands in for it.
check_units() {
  local folder unit words status=0
  folder=$(mktemp -d)
  for unit in "$OPS_ROOT"/ops/systemd/*; do
    sed 's|^\(Exec[A-Za-z]*=\)/usr/local/bin/marketplace|\1/bin/true|' "$unit" >"$folder/${unit##*/}"
  done
  # A value that it does not understand is told and ignored; here it is an error.
  words=$(cd "$folder" && systemd-analyze verify --man=no -- *.service *.timer 2>&1) || status=1
  if grep 'marketplace-' <<<"$words" >&2; then status=1; fi
  for unit in "$folder"/*.service; do
    systemd-analyze security --offline=true --threshold="$UNIT_EXPOSURE_MAX_TENTHS" "$unit" >/dev/null 2>&1 || {
      warn "${unit##*/} is more exposed than $UNIT_EXPOSURE_MAX_TENTHS tenths: systemd-analyze security --offline=true"
      status=1
    }
  done
  rm -r "$folder"
  return "$status"
}

check_alerts() {
  local rules="$OPS_ROOT/ops/prometheus"
  promtool check rules "$rules/marketplace.rules.yaml" >/dev/null && promtool test rules "$rules/marketplace.rules.test.yaml" >/dev/null
}
