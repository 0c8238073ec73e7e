' Beside Windows Setup, until the machine resets: sends what its log says to the marker port.
Set shell = CreateObject("WScript.Shell")
Set files = CreateObject("Scripting.FileSystemObject")
' In memory first, on the disk once that is formatted.
logs = Array("X:\Windows\setupact.log", "X:\Windows\Panther\setupact.log", "C:\$WINDOWS.~BT\Sources\Panther\setupact.log")
sent = Array(0, 0, 0)
copy = files.GetSpecialFolder(2) & "\oz-log.txt"
On Error Resume Next
Do
  For number = 0 To 2
    text = ""
    Err.Clear
    ' Setup has it open.
    files.CopyFile logs(number), copy, True
    If Err.Number = 0 Then
      Set file = files.OpenTextFile(copy, 1)
      text = Mid(file.ReadAll, sent(number) + 1)
      file.Close
    End If
    text = Left(text, InStrRev(text, vbLf))
    If Len(text) > 0 Then
      sent(number) = sent(number) + Len(text)
      text = "oz-log " & Replace(Left(text, Len(text) - 1), vbLf, vbLf & "oz-log ") & vbLf
      Set file = files.CreateTextFile(copy, True)
      file.Write text
      file.Close
      shell.Run "cmd.exe /c type """ & copy & """ >COM2", 0, True
    End If
  Next
  WScript.Sleep 1000
Loop
