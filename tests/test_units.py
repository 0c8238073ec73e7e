"""Sizes, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oz.units import EIB, GIB, KIB, MIB, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10", 10 * GIB),
        ("10G", 10 * GIB),
        ("10g", 10 * GIB),
        (" 10 GiB\n", 10 * GIB),
        ("2T", 2 * 1024 * GIB),
        ("2tib", 2 * 1024 * GIB),
        ("10GB", 10 * 1000**3),
        ("10 gb", 10 * 1000**3),
        ("2000KB", 2_000_000),
        ("1024 KiB", MIB),
        ("5MB", 5_000_000),
        ("1MiB", MIB),
        ("1 PB", 1000**5),
        ("1 PiB", 1024**5),
        ("8EB", 8 * 1000**6),
        ("8 EiB", 8 * EIB),
        ("1048576B", MIB),
        ("0010", 10 * GIB),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a size; write a whole number and a unit, such as 10 GiB"),
        ("G", "is not a size"),
        ("T10", "is not a size"),
        ("1.5G", "is not a size"),
        ("-1", "is not a size"),
        ("1 0", "is not a size"),
        ("10 GiB 5", "is not a size"),
        ("\u0661G", "is not a size"),
        ("9" * 31, "is not a size"),
        ("10k", "'10k' is ambiguous; write 10 KiB or 10 KB"),
        ("10M", "'10M' is ambiguous; write 10 MiB or 10 MB"),
        ("10E", "'10E' is ambiguous; write 10 EiB or 10 EB"),
        ("10iB", "has an unknown unit"),
        ("10 km", "has an unknown unit"),
        ("10 kmg", "has an unknown unit"),
        ("10 Gi", "has an unknown unit"),
        ("10 ZB", "has an unknown unit"),
        ("10 bytes", "has an unknown unit"),
        ("0", "'0' is too small for a disk; write at least 1 MiB"),
        ("10 B", "'10 B' is too small for a disk"),
        ("1023 KiB", "is too small for a disk"),
        ("8.0 EiB", "is not a size"),
        ("9 EiB", "'9 EiB' is more than the 8 EiB a disk can have"),
        ("9" * 30, "is more than the 8 EiB"),
    ],
)
def test_what_is_no_size(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (KIB, "1 KiB"),
        (1536, "1.5 KiB"),
        (MIB - 1, "1 MiB"),
        (10 * GIB, "10 GiB"),
        (1024 * GIB - 1, "1 TiB"),
        (5000 * EIB, "5000 EiB"),
    ],
)
def test_format(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(1, 1023), st.sampled_from(["MiB", "GiB", "TiB", "PiB"]))
def test_what_is_formatted_can_be_parsed(number: int, unit: str) -> None:
    assert format_size(parse_size(f"{number} {unit}")) == f"{number} {unit}"
