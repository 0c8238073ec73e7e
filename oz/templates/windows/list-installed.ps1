# One line of JSON, in ASCII: no code page can make anything else of it.
$found = New-Object Collections.ArrayList
function Add-Found($kind, $name, $version, $architecture, $publisher) {
  if ($name) {
    $row = @{ kind = $kind; name = "$name"; version = "$version"; architecture = $architecture; publisher = "$publisher" }
    $null = $found.Add($row)
  }
}

$system = Get-CimInstance Win32_OperatingSystem
$revision = (Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion').UBR
$native = if ([Environment]::Is64BitOperatingSystem) { 'x86_64' } else { 'i386' }
Add-Found system $system.Caption "$($system.Version).$revision" $native $system.Manufacturer

# On a 64-bit system the second has the programs of 32 bits; on a 32-bit one it is not there.
$places = @{
  'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall' = $native
  'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall' = 'i386'
}
foreach ($place in $places.Keys) {
  foreach ($key in @(Get-ChildItem -Path $place -ErrorAction SilentlyContinue)) {
    Add-Found program $key.GetValue('DisplayName') $key.GetValue('DisplayVersion') $places[$place] $key.GetValue('Publisher')
  }
}

# 1: a client, which has no roles.
if ($system.ProductType -ne 1) {
  foreach ($role in Get-WindowsFeature | Where-Object Installed) { Add-Found feature $role.Name '' '' '' }
} else {
  foreach ($feature in Get-WindowsOptionalFeature -Online | Where-Object State -eq Enabled) {
    Add-Found feature $feature.FeatureName '' '' ''
  }
}
foreach ($fix in Get-HotFix) { Add-Found hotfix $fix.HotFixID '' '' '' }

$sorted = @($found | Sort-Object { $_.kind }, { $_.name }, { $_.architecture })
$json = ConvertTo-Json -InputObject $sorted -Compress
[Console]::Out.WriteLine([regex]::Replace($json, '[^ -~]', { '\u{0:x4}' -f [int][char]$args[0].Value }))
