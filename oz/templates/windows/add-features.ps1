# Windows lets nobody but a local process have anything from Windows Update: over ssh, Add-WindowsCapability is denied
# (https://github.com/PowerShell/PowerShell/issues/8483). So this script has the system run it once more, as a task.
$names = {{ names|map("powershell")|join(", ") }}

$log = "$PSCommandPath.log"
$end = "$PSCommandPath.end"

if (-not [Security.Principal.WindowsIdentity]::GetCurrent().IsSystem) {
  # Of an earlier run by hand.
  Remove-Item -Path $end, $log -ErrorAction SilentlyContinue
  $words = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File `"$PSCommandPath`""
  $action = New-ScheduledTaskAction -Execute powershell.exe -Argument $words
  $system = New-ScheduledTaskPrincipal -UserId S-1-5-18 -RunLevel Highest
  Register-ScheduledTask -TaskName 'Oz features' -Action $action -Principal $system -Force | Out-Null
  Start-ScheduledTask -TaskName 'Oz features'
  for ($idle = 0; -not (Test-Path $end); Start-Sleep -Seconds 1) {
    # It has died, or never begun: to begin takes it a moment, and as long between its end and what it says of it.
    $idle = if ((Get-ScheduledTask -TaskName 'Oz features').State -eq 'Ready') { $idle + 1 } else { 0 }
    if ($idle -gt 60) { throw "the task ended with $((Get-ScheduledTaskInfo -TaskName 'Oz features').LastTaskResult)" }
  }
  Unregister-ScheduledTask -TaskName 'Oz features' -Confirm:$false
  if (Test-Path $log) { Get-Content -Path $log -Encoding UTF8 }
  exit [int](Get-Content -Path $end)
}

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$status = 1
try {
  # Clients, whose product type is 1, have no roles.
  $roles = @()
  if ((Get-CimInstance Win32_OperatingSystem).ProductType -ne 1) { $roles = @(Get-WindowsFeature | ForEach-Object Name) }
  $features = @(Get-WindowsOptionalFeature -Online | ForEach-Object FeatureName)
  $others = @($names | Where-Object { $_ -notin $roles -and $_ -notin $features })
  # Asks Windows Update. "OpenSSH.Client" stands for "OpenSSH.Client~~~~0.0.1.0".
  $capabilities = @()
  if ($others.Count -gt 0) { $capabilities = @(Get-WindowsCapability -Online | ForEach-Object Name) }
  $full = @{}
  foreach ($name in $others) {
    $full[$name] = @($capabilities | Where-Object { $_ -eq $name -or $_.Split('~')[0] -eq $name })
  }
  $unknown = @($others | Where-Object { $full[$_].Count -eq 0 })
  if ($unknown.Count -gt 0) {
    throw "Windows knows no role, feature or capability of this name: $($unknown -join ', ')"
  }
  foreach ($name in $names) {
    if ($name -in $roles) {
      $done = Install-WindowsFeature -Name $name
      if (-not $done.Success) { throw "$name was not installed: $($done.ExitCode)" }
    } elseif ($name -in $features) {
      Enable-WindowsOptionalFeature -Online -FeatureName $name -All -NoRestart -WarningAction SilentlyContinue | Out-Null
    } else {
      foreach ($capability in $full[$name]) { Add-WindowsCapability -Online -Name $capability | Out-Null }
    }
  }
  $status = 0
} catch {
  Set-Content -Path $log -Encoding UTF8 -Value $_.Exception.Message
}
# Under its final name only when it is whole.
Set-Content -Path "$end.part" -Value $status
Move-Item -Path "$end.part" -Destination $end
