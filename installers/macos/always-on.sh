#!/bin/sh
# The node from boot on, before anybody signs in, as the user who asks for it:
#   sudo /Applications/Hearth.app/Contents/Resources/always-on.sh install
#   sudo /Applications/Hearth.app/Contents/Resources/always-on.sh remove
# The app of that user shows it, because both look at the same data folder.
set -eu

label=org.hearth.node
plist=/Library/LaunchDaemons/$label.plist
what=${1:-}
user=${SUDO_USER:-}

if [ "$(id -u)" -ne 0 ] || [ -z "$user" ] || [ "$user" = root ]; then
  echo "Run this with sudo, as the user whose node it is." >&2
  exit 1
fi
home=$(dscl . -read "/Users/$user" NFSHomeDirectory | sed 's/^NFSHomeDirectory: //')
folder="$home/Library/Application Support/hearth"
program=$(cd "$(dirname "$0")/../MacOS" && pwd)/hearth

case $what in
  install)
    sudo -u "$user" mkdir -p -m 0700 "$folder"
    # A node that the app started makes place: the duty under way is finished first.
    sudo -u "$user" "$program" stop --yes --data-dir "$folder" 2>/dev/null || true
    cat >"$plist" <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>$label</string>
  <key>UserName</key><string>$user</string>
  <key>ProgramArguments</key>
  <array>
    <string>$program</string>
    <string>run</string>
    <string>--wait-for-cluster</string>
    <string>--kept-running-by</string>
    <string>system</string>
    <string>--data-dir</string>
    <string>$folder</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict><key>HOME</key><string>$home</string></dict>
  <key>Umask</key><integer>63</integer>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>5</integer>
  <!-- The duty under way is finished first. -->
  <key>ExitTimeOut</key><integer>60</integer>
  <key>StandardErrorPath</key><string>$folder/hearth.log</string>
</dict>
</plist>
END
    chown root:wheel "$plist"
    chmod 0644 "$plist"
    launchctl bootout "system/$label" 2>/dev/null || true
    launchctl bootstrap system "$plist"
    echo "The node of $user runs from now on, and from every start of this computer."
    ;;
  remove)
    launchctl bootout "system/$label" 2>/dev/null || true
    rm -f "$plist"
    echo "The node no longer starts with this computer. Its data folder stays: $folder"
    ;;
  *)
    echo "Say install or remove." >&2
    exit 1
    ;;
esac
