#!/bin/sh
# Installs what some tests need, where that is possible; elsewhere those tests skip and say so.
missing=
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, tests that need them will skip:$missing"
    exit 0
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install -y --no-install-recommends $missing; } >/dev/null 2>&1 ||
    echo "could not be installed, tests that need them will skip:$missing"
