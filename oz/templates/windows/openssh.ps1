# Runs at the first logon, before {{ done }} ends the installation: sshd runs from now on at every start, and lets us in.
# Microsoft: "Get started with OpenSSH for Windows", "Key-based authentication in OpenSSH for Windows", "OpenSSH Server
# configuration for Windows".
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

# cmd writes to the port, as .NET opens no device by its name; what would mean something to cmd is left out.
function Send-Line([string] $text) {
  cmd.exe /c ('>COM2 echo ' + ($text -replace '[^A-Za-z0-9+/=@ .,:;()_-]', ' '))
}

try {
  # It is there already in Windows Server 2025.
  if (-not (Get-Service sshd -ErrorAction SilentlyContinue)) {
{% if package %}
    $package = Join-Path $PSScriptRoot {{ package|powershell }}
    $installer = Start-Process msiexec.exe -ArgumentList "/i `"$package`" /qn /norestart ADDLOCAL=Server" -Wait -PassThru
    # 3010: a restart is wanted.
    if ($installer.ExitCode -ne 0 -and $installer.ExitCode -ne 3010) {
      throw "msiexec ended with exit code $($installer.ExitCode)"
    }
{% else %}
    # From Windows Update, once the network is up.
    for ($try = 1; ; $try++) {
      try {
        Add-WindowsCapability -Online -Name OpenSSH.Server~~~~0.0.1.0 | Out-Null
        break
      } catch {
        if ($try -eq 5) { throw }
        Start-Sleep -Seconds 30
      }
    }
{% endif %}
  }
  # In some languages it has another name, by which nobody would look for it.
  $administrator = Get-LocalUser | Where-Object { $_.SID.Value -like 'S-1-5-21-*-500' }
  if ($administrator.Name -ne 'Administrator') { Rename-LocalUser -InputObject $administrator -NewName Administrator }

  Set-Service -Name sshd -StartupType Automatic
  # Makes configuration and host keys, and listens only then.
  Start-Service sshd
  for ($second = 0; -not (Get-NetTCPConnection -LocalPort 22 -State Listen -ErrorAction SilentlyContinue); $second++) {
    if ($second -eq 600) { throw 'sshd does not listen' }
    Start-Sleep -Seconds 1
  }

  # sshd takes it only if nobody but these has rights to it; by their numbers, as their names are in the system's language.
  $directory = Join-Path $env:ProgramData ssh
  $keys = Join-Path $directory administrators_authorized_keys
  Set-Content -Path $keys -Encoding Ascii -Value {{ public_key|line|powershell }}
  icacls.exe $keys /inheritance:r /grant '*S-1-5-32-544:F' /grant '*S-1-5-18:F' | Out-Null
  if ($LASTEXITCODE -ne 0) { throw "icacls ended with exit code $LASTEXITCODE" }

  # The one that comes with it is for private networks alone (https://github.com/PowerShell/openssh-portable/pull/669),
  # and ours is none until somebody says so.
  $rule = 'OpenSSH-Server-In-TCP'
  if (Get-NetFirewallRule -Name $rule -ErrorAction SilentlyContinue) {
    Set-NetFirewallRule -Name $rule -Enabled True -Profile Any
  } else {
    New-NetFirewallRule -Name $rule -DisplayName 'OpenSSH Server (sshd)' -Enabled True -Profile Any -Direction Inbound -Protocol TCP -Action Allow -LocalPort 22 | Out-Null
  }

  if (-not (Test-Path HKLM:\SOFTWARE\OpenSSH)) { New-Item -Path HKLM:\SOFTWARE\OpenSSH | Out-Null }
  $shell = Join-Path $PSHOME powershell.exe
  New-ItemProperty -Path HKLM:\SOFTWARE\OpenSSH -Name DefaultShell -Value $shell -PropertyType String -Force | Out-Null

  foreach ($file in Get-ChildItem -Path $directory -Filter ssh_host_*_key.pub) {
    $type, $key = (Get-Content -Path $file.FullName -TotalCount 1).Split(' ')[0, 1]
    Send-Line "oz-hostkey $type $key"
  }
} catch {
  Send-Line "oz-log OpenSSH could not be set up: $($_.Exception.Message)"
  exit 1
}
