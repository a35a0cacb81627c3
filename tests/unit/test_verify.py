"""The auditor's program by itself: signatures, keys, proofs, lines, against what others say."""

import ast
import gc
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from api.evidence import verify
from ledger.log import codec
from ledger.log.checkpoint import parse_verifier
from projections.figures import TABLE
from tests import rfc6962
from tests.bundles import KEY
from tests.told import ROWS

#: RFC 8032 section 7.1: public key, message, signature.
VECTORS: Final = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
)
BITS: Final = st.integers(0, 511)
KEYS: Final = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_published_signatures_hold_and_changed_ones_do_not(
    public: str, message: str, signature: str
) -> None:
    key, signed = bytes.fromhex(public), bytes.fromhex(signature)
    assert verify.is_signed(key, bytes.fromhex(message), signed)
    assert not verify.is_signed(key, bytes.fromhex(message) + b"x", signed)
    for bit in range(0, 512, 16):
        assert not holds(key, bytes.fromhex(message), turned(signed, bit))


def turned(data: bytes, bit: int) -> bytes:
    """The data with one bit turned over."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is taken for right; none at all is not."""
    try:
        return verify.is_signed(key, message, signature)
    except ValueError:
        return False


@given(seed=KEYS, message=st.binary(max_size=300), bit=BITS)
def test_a_signature_of_another_implementation_holds_until_a_bit_is_turned(
    seed: bytes, message: bytes, bit: int
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.is_signed(public, message, signature)
    assert not holds(public, message, turned(signature, bit))
    assert not holds(turned(public, bit // 2), message, signature)


def test_a_signature_with_a_number_beyond_the_order_is_another_form_and_refused() -> None:
    public, message, signature = map(bytes.fromhex, VECTORS[1])
    beyond = int.from_bytes(signature[32:], "little") + verify.ORDER
    forged = signature[:32] + beyond.to_bytes(32, "little")
    assert not verify.is_signed(public, message, forged)
    assert not verify.is_signed(public, message, signature + b"\0")


def test_a_key_reads_as_the_product_reads_it() -> None:
    known = parse_verifier(KEY)
    assert verify.read_key(KEY) == (known.name, known.key_id, known.public)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 33])
def test_roots_and_proofs_are_those_of_the_rfc_word_for_word(size: int) -> None:
    leaves = [rfc6962.leaf_of(b"%d" % number) for number in range(size)]
    root = rfc6962.root_of(leaves)
    frontier: list[bytes] = []
    for number, leaf in enumerate(leaves):
        verify.grow(frontier, number, leaf)
    assert verify.root_of(frontier) == root
    for index, leaf in enumerate(leaves):
        proof = [step.hex() for step in rfc6962.path_of(index, leaves)]
        assert verify.root_by(proof, leaf, index, size) == root
        for place in set(range(size)) - {index}:
            assert verify.root_by(proof, leaf, place, size) != root
        assert verify.root_by([*proof, "00" * 32], leaf, index, size) is None
        assert proof == [] or verify.root_by(proof[1:], leaf, index, size) is None


def test_every_event_ever_written_has_a_canonical_line() -> None:
    lines = verify.Lines(gapless=True)
    for row in ROWS:
        assert lines.take(row.line().decode() + "\n")["topic"] == row.topic


STATE: Final = '"timestamp":"2026-11-27T16:26:48.625294Z"'


@pytest.mark.parametrize(
    "state",
    [
        f'{{"credit_available":-120,{STATE}}}',
        f'{{"minutes":9007199254740991,{STATE}}}',
        f'{{"name":"a null, true: 9007199254740993 :null",{STATE}}}',
        f'{{"name":"\\"quoted\\" \\\\:","terms":{{"purpose":"助老"}},{STATE}}}',
        '{"lots":[],"timestamp":"2026-11-27T16:26:48Z"}',
    ],
)
def test_what_is_canonical_is_accepted(state: str) -> None:
    line = codec.line(1, "fund/F1", 1, "FundOpened", state.encode()).decode()
    assert rfc8785.dumps(json.loads(line)).decode() == line
    assert verify.Lines(gapless=True).take(line + "\n")["position"] == 1


@pytest.mark.parametrize(
    "state",
    [
        f'{{"minutes":-0,{STATE}}}',
        f'{{"minutes":9007199254740992,{STATE}}}',
        f'{{"minutes":1,"minutes":1,{STATE}}}',
        f'{{"name":null,{STATE}}}',
        f'{{"minutes":1.0,{STATE}}}',
        f'{{"minutes":\t1,{STATE}}}',
        f'{{"name":"\\u0041",{STATE}}}',
        f'{{{STATE},"minutes":1}}',
        f'{{"terms":{{"opens_on":"x","allowed":[]}},{STATE}}}',
        '{"timestamp":"2026-11-27T16:26:48.000000Z"}',
        '{"timestamp":"2026-11-27 16:26:48Z"}',
        '{"timestamp":"2026-11-27T16:26:48+00:00"}',
        '{"timestamp":"2026-13-27T16:26:48Z"}',
    ],
)
def test_what_is_not_canonical_is_refused(state: str) -> None:
    line = codec.line(1, "fund/F1", 1, "FundOpened", state.encode()).decode()
    with pytest.raises((ValueError, TypeError)):
        verify.Lines(gapless=True).take(line + "\n")


def test_the_posting_table_is_the_one_that_is_published() -> None:
    text = codec.encode(TABLE)
    assert sha256(text).hexdigest() == verify.POSTINGS
    assert verify.write(verify.scan(text.decode())).encode() == text


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(verify.__file__).read_text(encoding="utf-8"))
    roots = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else
                     [alias.name for alias in node.names])
    }  # fmt: skip
    assert roots <= sys.stdlib_module_names


def test_what_a_log_says_cannot_move_the_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = verify.read_out("fund", "\x1b[2JF1", {"all": {"spent": -12345}})
    monkeypatch.setattr(verify, "check", lambda *_: [line])
    monkeypatch.setattr(sys, "argv", ["verify.py", "--key", KEY])
    verify.main()
    assert capsys.readouterr().out == "  fund ?[2JF1: spent -123.45 yuan\nPROVED.\n"
    gc.enable()
