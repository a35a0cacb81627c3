"""The tree of RFC 6962: published vectors, and the plain recursive definition as oracle."""

import hashlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import merkle
from tests.exported import tree_root

#: The inputs of the Certificate Transparency test tree.
CT_INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
#: The roots of its first 1 … 8 leaves, as published with it.
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaves_data = st.lists(st.binary(max_size=8), max_size=200)


def grow(data: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The frontier after all leaves, and the hashes of each row."""
    frontier: list[bytes] = []
    rows = [merkle.extend(frontier, size, merkle.leaf_hash(item)) for size, item in enumerate(data)]
    return frontier, rows


def node(row: bytes, level: int) -> bytes:
    """The hash at a level of what a row stores."""
    return row[32 * level : 32 * level + 32]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root([]) == merkle.EMPTY_ROOT == sha256(b"").digest()
    assert merkle.frontier_rows(0) == []


def test_a_leaf_and_a_node_have_different_prefixes() -> None:
    left, right = bytes(32), bytes(31) + b"\x01"
    assert merkle.leaf_hash(left + right) == sha256(b"\x00" + left + right).digest()
    assert merkle.node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_certificate_transparency_roots(size: int) -> None:
    frontier, _ = grow(CT_INPUTS[:size])
    assert merkle.root(frontier).hex() == CT_ROOTS[size - 1]
    assert tree_root(CT_INPUTS[:size]).hex() == CT_ROOTS[size - 1]


@given(leaves_data)
def test_the_root_is_that_of_the_recursive_definition(data: list[bytes]) -> None:
    frontier, _ = grow(data)
    assert merkle.root(frontier) == tree_root(data)


@given(leaves_data)
def test_a_row_stores_its_leaf_and_every_perfect_subtree_it_completes(data: list[bytes]) -> None:
    _, rows = grow(data)
    for number, row in enumerate(rows, start=1):
        completed = (number & -number).bit_length()
        assert len(row) == merkle.HASH_BYTES * completed
        assert [node(row, level) for level in range(completed)] == [
            tree_root(data[number - (1 << level) : number]) for level in range(completed)
        ]


@given(leaves_data)
def test_the_frontier_is_read_from_the_last_hash_of_few_rows(data: list[bytes]) -> None:
    frontier, rows = grow(data)
    wanted = merkle.frontier_rows(len(data))
    assert len(wanted) == len(data).bit_count() <= max(1, len(data).bit_length())
    assert [rows[number - 1][-32:] for number in wanted] == frontier


@given(st.integers(min_value=0, max_value=2**40))
def test_frontier_rows_end_perfect_subtrees_that_cover_the_tree(size: int) -> None:
    rows, start = merkle.frontier_rows(size), 0
    widths = []
    for end in rows:
        width = end - start
        assert width.bit_count() == 1
        assert end % width == 0
        widths.append(width)
        start = end
    assert start == size
    assert widths == sorted(set(widths), reverse=True)


@given(leaves_data, st.integers(min_value=0))
def test_a_tree_goes_on_from_a_frontier_read_back(data: list[bytes], cut: int) -> None:
    cut %= len(data) + 1
    _, rows = grow(data)
    frontier = [rows[number - 1][-32:] for number in merkle.frontier_rows(cut)]
    again = [
        merkle.extend(frontier, size, merkle.leaf_hash(item))
        for size, item in enumerate(data[cut:], start=cut)
    ]
    assert again == rows[cut:]
    assert merkle.root(frontier) == tree_root(data)


def test_two_hashes_a_row_on_average() -> None:
    _, rows = grow([b"x"] * 1024)
    assert sum(map(len, rows)) == 32 * (2 * 1024 - 1)


def test_any_change_changes_the_root() -> None:
    data = [b"%d" % number for number in range(13)]
    roots = {tree_root(data)}
    changes = [
        *([*data[:at], b"x", *data[at + 1 :]] for at in range(13)),
        *([*data[:at], *data[at + 1 :]] for at in range(13)),
        *([*data[:at], data[at + 1], data[at], *data[at + 2 :]] for at in range(12)),
        [*data, b""],
    ]
    for changed in changes:
        frontier, _ = grow(changed)
        roots.add(merkle.root(frontier))
    assert len(roots) == 1 + len(changes)


def test_the_hash_is_sha_256() -> None:
    assert merkle.leaf_hash(b"abc") == hashlib.new("sha256", b"\x00abc").digest()
