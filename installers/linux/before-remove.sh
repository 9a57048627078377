#!/bin/sh
# Before the files go. On an update ("upgrade", or 1 from rpm) nothing is stopped: the node goes on with what it has.
set -e
case "$1" in
    remove | purge | 0)
        if [ -d /run/systemd/system ]; then
            systemctl stop 'hearth@*.service' || true
            systemctl disable 'hearth@.service' || true
        fi
        ;;
esac
exit 0
