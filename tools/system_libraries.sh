#!/usr/bin/env bash
# Libraries that windows without a screen need: an X server in memory, OpenGL, Qt's own.
# Installs what is missing where it may (root on Debian or Ubuntu), else says how.
set -euo pipefail
[ "$(uname -s)" = Linux ] || exit 0

packages="xvfb xauth libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0
libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
libraries="libEGL.so.1 libGL.so.1 libglib-2.0.so.0 libdbus-1.so.3 libfontconfig.so.1
libxkbcommon.so.0 libxkbcommon-x11.so.0 libxcb-cursor.so.0 libxcb-icccm.so.4
libxcb-keysyms.so.1 libxcb-shape.so.0"

missing=""
for program in xvfb-run xauth; do
  command -v "$program" >/dev/null || missing+=" $program"
done
known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)
for library in $libraries; do
  grep -qF "$library" <<<"$known" || missing+=" $library"
done
[ -n "$missing" ] || exit 0

install="apt-get update && apt-get install -y --no-install-recommends $(echo $packages)"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing what windows need:$missing"
  apt-get update -q
  # shellcheck disable=SC2086  # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $packages
else
  echo "The tests open windows without a screen; missing:$missing" >&2
  echo "On Debian or Ubuntu, run as root: $install" >&2
  exit 1
fi
