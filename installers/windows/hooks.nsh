; What the installer does beside copying files. It runs as the user, for the user alone.

; Links hearth://… open the app.
!macro NSIS_HOOK_POSTINSTALL
  WriteRegStr HKCU "Software\Classes\hearth" "" "URL:Hearth"
  WriteRegStr HKCU "Software\Classes\hearth" "URL Protocol" ""
  WriteRegStr HKCU "Software\Classes\hearth\shell\open\command" "" '"$INSTDIR\hearth-app.exe" "%1"'
!macroend

; A program that runs cannot be replaced: the node is asked to stop, which finishes the duty under way, and is waited for.
!macro NSIS_HOOK_PREINSTALL
  IfFileExists "$INSTDIR\hearth.exe" 0 +2
    ExecWait '"$INSTDIR\hearth.exe" stop --yes --data-dir "$LOCALAPPDATA\hearth-node"'
!macroend

!macro NSIS_HOOK_PREUNINSTALL
  ; Only an administrator can remove the task that always-on.ps1 made; without its program it does nothing.
  ExecWait 'schtasks.exe /Delete /F /TN "Hearth node"'
  IfFileExists "$INSTDIR\hearth.exe" 0 +2
    ExecWait '"$INSTDIR\hearth.exe" stop --yes --data-dir "$LOCALAPPDATA\hearth-node"'
!macroend

; The data folder stays: it holds key shares and the record of what was signed.
!macro NSIS_HOOK_POSTUNINSTALL
  DeleteRegKey HKCU "Software\Classes\hearth"
  DeleteRegValue HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "Hearth"
!macroend
