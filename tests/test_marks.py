"""What a finished installer says, and what a hostile one may say instead."""

from oz.marks import read_marks

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKk"


def test_the_nonce_and_the_host_keys_are_read():
    marks = read_marks([f"oz-hostkey {KEY} root@debian\r", "oz-done 00ff", ""])
    assert marks.nonces == {"00ff"}
    assert marks.host_keys == (KEY,)


def test_a_key_announced_twice_counts_once():
    assert read_marks([f"oz-hostkey {KEY}"] * 3).host_keys == (KEY,)


def test_nonsense_is_passed_over():
    lines = [
        "oz-done",
        "oz-done ../x",
        "oz-done 00ff extra",
        "oz-hostkey ssh-rsa",
        f"oz-hostkey {KEY}\noz-done 1",
        "oz-hostkey -oProxyCommand=x AAAA",
        "x" * 100_000,
        f" oz-hostkey {KEY[:20]};rm",
    ]
    marks = read_marks(lines)
    assert not marks.nonces
    assert not marks.host_keys


def test_only_a_handful_of_keys_is_kept():
    assert len(read_marks(f"oz-hostkey ssh-rsa {'A' * 20}{n}" for n in range(1000)).host_keys) == 8
