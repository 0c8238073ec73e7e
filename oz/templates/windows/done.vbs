' Runs at the first logon, before the desktop: forgets the secrets of the installation, reports its end, powers off.
' An error stops it with a window that the screenshot shows.
Set shell = CreateObject("WScript.Shell")
Set files = CreateObject("Scripting.FileSystemObject")

' The answer file as Setup left it, with password or product key.
For Each name In Array({% for answer in answers %}"{{ answer }}"{{ ", " if not loop.last }}{% endfor %})
  answer = files.GetSpecialFolder(0) & "\" & name
  If files.FileExists(answer) Then files.DeleteFile answer, True
Next

winlogon = "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\"
shell.RegWrite winlogon & "AutoAdminLogon", "0"
' Windows may have removed them itself by now (KB 221477).
On Error Resume Next
shell.RegDelete winlogon & "DefaultPassword"
shell.RegDelete winlogon & "AutoLogonCount"
On Error GoTo 0

{% if agent %}
' From whichever drive has the drivers.
For Each drive In files.Drives
  agent = drive.DriveLetter & ":\{{ agent }}"
  If files.FileExists(agent) Then shell.Run "msiexec.exe /i " & agent & " /qn /norestart", 0, True
Next

{% endif %}
{% if openssh %}
' From the CD that this is on. What goes wrong, it says on the marker port.
script = files.GetParentFolderName(WScript.ScriptFullName) & "{{ openssh }}"
status = shell.Run("powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File " & script, 0, True)
If status <> 0 Then Err.Raise vbObjectError, "{{ openssh }}", "OpenSSH could not be set up"

{% endif %}
' cmd takes a digit before ">" for a handle, so the line ends with the message.
shell.Run "cmd.exe /c >COM2 echo oz-done {{ nonce|line }}", 0, True

' 2000 has no shutdown.exe; WMI is in all of them. 12: power off (8), whoever objects (4).
Set systems = GetObject("winmgmts:{impersonationLevel=impersonate,(Shutdown)}!//./root/cimv2").InstancesOf("Win32_OperatingSystem")
For Each system In systems
  system.Win32Shutdown 12
Next
