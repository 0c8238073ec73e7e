# The boot image of tinycd.py: 2048 bytes that a BIOS loads from a CD (El Torito, no emulation) to 0x7c00, in real mode.
# It plays an installer: VARIANT says what kind of. `first` is the sector at which a remastered CD's own files begin.

.intel_syntax noprefix
.code16

.set COM1, 0x3f8
.set COM2, 0x2f8
.set BUFFER, 0x9000
.set SECTOR, 2048

start:
	jmp 0:main

main:
	cli
	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov sp, 0x7c00
	cld
	sti
	mov drive, dl
	mov dx, COM1
	mov si, offset hello
	mov cx, offset hello_end - hello
	call send
	movzx bx, byte ptr variant
	shl bx, 1
	jmp table[bx]

table:
	.word finish, power_off, wrong_nonce, hang, reset_once, triple_fault, babble, fill_disk

finish:
	call find_nonce
	push si
	mov dx, COM2
	mov si, offset host_key
	mov cx, offset host_key_end - host_key
	call send
	pop si
	mov cx, 40
	call send
	mov si, offset newline
	mov cx, 1
	call send

# PM1a_CNT of QEMU's ACPI chips, once SeaBIOS has run: SLP_EN, SLP_TYP 0, which is S5.
power_off:
	mov dx, 0x604
	mov ax, 0x2000
	out dx, ax

hang:
	cli
	hlt
	jmp hang

wrong_nonce:
	mov dx, COM2
	mov si, offset wrong
	mov cx, offset wrong_end - wrong
	call send
	jmp power_off

# The keyboard controller pulses the reset line.
reset:
	mov al, 0xfe
	out 0x64, al
	jmp hang

# CMOS keeps its bytes over a reset, and a fresh one has zeros there.
reset_once:
	mov al, 0x7d
	out 0x70, al
	in al, 0x71
	test al, al
	jnz finish
	inc al
	out 0x71, al
	jmp reset

triple_fault:
	lidt no_vectors
	int3

# What would clear and paint a terminal, rename it, and a line that never ends; then 128 KiB of lines.
babble:
	mov dx, COM1
	mov si, offset hostile
	mov cx, offset hostile_end - hostile
	call send
	mov ebp, 128 * 1024 / 64
more:
	mov si, offset line
	mov cx, 64
	call send
	dec ebp
	jnz more
	mov si, offset hostile
	mov cx, offset hostile_end - hostile
	call send
	jmp hang

# The first disk, from its first sector to its last, over and over, with bytes that are not zero.
fill_disk:
	mov ax, 0x1000
	mov es, ax
	xor di, di
	mov cx, 0x4000
	mov ax, 0xa5a5
	rep stosw
	mov es, cx
again:
	mov dword ptr write_at, 0
write:
	mov si, offset write_request
	mov ax, 0x4300
	mov dl, 0x80
	int 0x13
	jc again
	add dword ptr write_at, 64
	jmp write

# SI: "oz-done NONCE" in the script that the installer would have run, quoted for a shell.
find_nonce:
	mov eax, first
	mov read_at, eax
next_sector:
	mov si, offset read_request
	mov ah, 0x42
	mov dl, drive
	int 0x13
	jc not_found
	mov si, BUFFER
scan:
	cmp dword ptr [si], 0x642d7a6f		# oz-d
	jne step
	cmp dword ptr [si + 4], 0x20656e6f	# one and a space
	jne step
	cmp byte ptr [si + 40], '\''
	je found
step:
	inc si
	cmp si, BUFFER + SECTOR - 41
	jne scan
	inc dword ptr read_at
	jmp next_sector
found:
	ret
not_found:
	mov dx, COM1
	mov si, offset lost
	mov cx, offset lost_end - lost
	call send
	jmp hang

# CX bytes at SI to the UART at DX, each once there is room for it.
send:
	add dx, 5
wait_for_room:
	in al, dx
	test al, 0x20
	jz wait_for_room
	sub dx, 5
	lodsb
	out dx, al
	loop send
	ret

hello:		.ascii "tiny installer at work\r\n"
hello_end:
host_key:	.ascii "oz-hostkey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRpbnkgaW5zdGFsbGVyJ3Mgb3duIGhvc3Qga2V5\n"
host_key_end:
wrong:		.ascii "oz-done 00000000000000000000000000000000\n"
wrong_end:
lost:		.ascii "no oz-done behind the end of the original CD\r\n"
lost_end:
hostile:	.ascii "\033[2J\033[1;1H\033]0;renamed\007\033[31;5mred\033[0m \033[6n\033Pq\033\\\016\177\302\233A \342\200\256desrever\r\n"
hostile_end:
line:		.ascii "all work and no power-off makes an installer a dull program  \033\r\n"
newline:	.ascii "\n"

.balign 4
no_vectors:	.word 0, 0, 0

# Disk address packets (Enhanced Disk Drive Specification): size, count, where in memory, which sector.
.balign 4
read_request:	.byte 16, 0
		.word 1
		.word BUFFER, 0
read_at:	.long 0, 0
write_request:	.byte 16, 0
		.word 64
		.word 0, 0x1000
write_at:	.long 0, 0
drive:		.byte 0

.org SECTOR - 16
		.ascii "tiny boot"
variant:	.byte 0
		.word 0
first:		.long 0
