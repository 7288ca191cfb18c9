# shellcheck shell=bash
# Debian packages: only what is missing, and no service is left running.

# postgresql: the private clusters. libpq-dev, libssl-dev, pkg-config: modules CLibPQ and CLibCrypto. zlib1g-dev: HTTP compression in Swift NIO.
PACKAGES_BUILD=(libpq-dev libssl-dev pkg-config zlib1g-dev)
PACKAGES_RUN=(postgresql)
# Spark, which reads what is published.
PACKAGES_SPARK=(openjdk-17-jre-headless)

# A real browser, and letters for it to draw.
PACKAGES_BROWSER=(chromium fonts-liberation)

package_is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# need_packages NAME…
need_packages() {
  local package missing=()
  for package in "$@"; do
    package_is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "Debian packages $*: already there"
    return
  fi
  command -v apt-get >/dev/null ||
    fail "this needs the Debian packages ${missing[*]}, and there is no apt-get here: install them in your system's way"
  ((EUID == 0)) ||
    fail "this needs the Debian packages ${missing[*]}; as root: apt-get install --no-install-recommends ${missing[*]}"
  timed "installing Debian packages ${missing[*]}" install_packages "${missing[@]}"
}

# A fresh postgresql package makes a cluster "main" and starts it on port 5432. Nobody asked for that one, so the
# package is told not to make it; a cluster that is already there is not touched.
install_packages() {
  local log="$OPS_CACHE/apt.log" drop_in=/etc/postgresql-common/createcluster.d/model-marketplace.conf status=0
  mkdir -p "$OPS_CACHE" "$(dirname "$drop_in")"
  if ! package_is_installed postgresql-common; then
    echo 'create_main_cluster = false' >"$drop_in"
  else
    drop_in=""
  fi
  apt_install "$@" >"$log" 2>&1 || status=$?
  [[ -z "$drop_in" ]] || rm -f "$drop_in"
  if ((status != 0)); then
    tail -n 20 "$log" >&2
    fail "apt-get could not install $*; all it said: $log"
  fi
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300)
  apt-get update -q && apt-get install "${options[@]}" "$@"
}
