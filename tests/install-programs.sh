#!/bin/sh
# The programs that the tests run beside Python: a broker, a database and a browser. Installs what is missing, from the distribution.
set -eu
PATH="$PATH:/usr/sbin"
missing=""
command -v mosquitto_sub >/dev/null || missing="$missing mosquitto-clients"
command -v mosquitto >/dev/null || missing="$missing mosquitto"
command -v openssl >/dev/null || missing="$missing openssl"
command -v chromium >/dev/null || missing="$missing chromium"
# Distributions keep a database's own programs out of PATH.
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
echo "make test: installing$missing"
if ! command -v apt-get >/dev/null; then
    echo "make test: please install$missing with your system's package manager, then run it again" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "make test: please install as root:$missing" >&2
        exit 1
    fi
    sudo="sudo"
fi
# A broker and a database of the distribution's own start by themselves; the tests run theirs.
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing >/dev/null
