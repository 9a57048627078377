# The node from boot on, before anybody signs in, as the user who asks for it. In a PowerShell that was opened as administrator:
#   & "$env:LOCALAPPDATA\Hearth\always-on.ps1" install
#   & "$env:LOCALAPPDATA\Hearth\always-on.ps1" remove
# The app of that user shows it, because both look at the same data folder.
#
# A task of the task scheduler rather than a service: it needs no password of the user (S4U), and a service would run as somebody
# else, who can read neither the data folder nor what is sealed to its owner.
param(
  [Parameter(Mandatory)][ValidateSet("install", "remove")][string]$What,
  # Whose node it is, if somebody else opened this window.
  [string]$User = "$env:USERDOMAIN\$env:USERNAME",
  [string]$DataFolder = "$env:LOCALAPPDATA\hearth-node"
)
$ErrorActionPreference = "Stop"
$name = "Hearth node"
$program = Join-Path $PSScriptRoot "hearth.exe"

$self = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $self.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
  throw "Open PowerShell as administrator: only then may a task start with the computer."
}

if ($What -eq "remove") {
  & $program stop --yes --data-dir $DataFolder
  Unregister-ScheduledTask -TaskName $name -Confirm:$false
  "The node no longer starts with this computer. Its data folder stays: $DataFolder"
  return
}

New-Item -ItemType Directory -Force -Path $DataFolder | Out-Null
# A node that the app started makes place: the duty under way is finished first.
try { & $program stop --yes --data-dir $DataFolder } catch { }
$arguments = "run --wait-for-cluster --kept-running-by system --data-dir `"$DataFolder`" --log-file `"$DataFolder\hearth.log`""
$task = @{
  TaskName = $name
  Description = "Performs the duties of the validator clusters of $User."
  Action = New-ScheduledTaskAction -Execute $program -Argument $arguments -WorkingDirectory $DataFolder
  Trigger = New-ScheduledTaskTrigger -AtStartup
  Principal = New-ScheduledTaskPrincipal -UserId $User -LogonType S4U -RunLevel Limited
  Settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew `
    -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable `
    -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1)
}
Register-ScheduledTask @task -Force | Out-Null
Start-ScheduledTask -TaskName $name
"The node of $User runs from now on, and from every start of this computer."
