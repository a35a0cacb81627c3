"""Vectors published by others: Certificate Transparency's test tree, Go's and C2SP's notes."""

import base64
from typing import Final

import pytest

from ledger.log import checkpoint, proofs, tlog_proof
from ledger.log.checkpoint import BadCheckpoint, Checkpoint
from ledger.log.signer import parse_signer, write_signer
from tests import rfc6962
from tests.signed_log import SignedLog
from tests.unit.test_merkle import CT_INPUTS

CT: Final = SignedLog(CT_INPUTS)
#: Leaf (from 0), size → audit path, as published with the Certificate Transparency test tree.
PATHS: Final = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
#: Two sizes → consistency proof, from the same source.
GROWTH: Final = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
#: The example of golang.org/x/mod/sumdb/note.
GO_SIGNER: Final = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT: Final = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
)
GO_SIGNATURE: Final = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)
#: The example of C2SP tlog-checkpoint, cosigned as in C2SP tlog-cosignature.
C2SP_NOTE: Final = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2"
    "q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
    "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_published_audit_paths(index: int, size: int) -> None:
    path = [bytes.fromhex(step) for step in PATHS[index, size]]
    assert CT.path(index, size) == path
    assert rfc6962.path_of(index, CT.leaves[:size]) == path
    proofs.check_inclusion(CT.leaves[index], index, size, path, CT.roots[size])
    assert rfc6962.holds(CT.leaves[index], index, size, path, CT.roots[size])


@pytest.mark.parametrize(("old", "new"), GROWTH)
def test_the_published_consistency_proofs(old: int, new: int) -> None:
    proof = [bytes.fromhex(step) for step in GROWTH[old, new]]
    assert CT.growth(old, new) == proof
    assert rfc6962.proof_of(old, CT.leaves[:new]) == proof
    proofs.check_consistency(old, new, proof, CT.roots[old], CT.roots[new])
    assert rfc6962.continues(old, new, proof, CT.roots[old], CT.roots[new])


def test_the_signed_note_of_the_go_library() -> None:
    signer = parse_signer(GO_SIGNER)
    assert write_signer(signer) == GO_SIGNER
    assert str(signer.verifier) == GO_VERIFIER
    note = GO_TEXT + b"\n" + GO_SIGNATURE.encode()
    assert signer.sign(GO_TEXT) == note
    checkpoint.check_signed(checkpoint.parse_note(note), checkpoint.parse_verifier(GO_VERIFIER))


def test_the_checkpoint_of_the_specification() -> None:
    note = checkpoint.parse_note(C2SP_NOTE.encode())
    found = checkpoint.parse_checkpoint(note.body)
    assert found == Checkpoint(
        "example.com/behind-the-sofa",
        20852163,
        base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="),
    )
    assert found.body() == note.body
    assert [signature.line() for signature in note.signatures] == [
        line.encode() + b"\n" for line in C2SP_NOTE.splitlines()[-2:]
    ]
    seconds, signed = note.signatures[1].signature[:8], note.signatures[1].signature[8:]
    assert (int.from_bytes(seconds, "big"), len(signed)) == (1679315147, 64)


def test_every_part_of_a_key_is_needed() -> None:
    """As the Go library tests it: no piece of a key is a key, and no other letter will do."""
    for text, parse in ((GO_SIGNER, parse_signer), (GO_VERIFIER, checkpoint.parse_verifier)):
        pieces = [
            text[i:j]
            for i in range(len(text))
            for j in range(i + 1, len(text) + 1)
            if (i, j) != (0, len(text))
        ]
        changed = [text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text))]
        for wrong in (*pieces, *changed, "", text + "A", text + "=", f"{text}\n{text}"):
            with pytest.raises(BadCheckpoint):
                parse(wrong)


#: The example of C2SP tlog-proof, its shortened signatures replaced.
C2SP_PROOF: Final = """c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog hI2DJwAAAAA=
"""


def test_the_form_of_the_published_tlog_proof() -> None:
    proof = tlog_proof.parse_inclusion(C2SP_PROOF.encode())
    assert (proof.index, len(proof.hashes)) == (73894, 2)
    assert proof.extra == b"age-v1.2.1-darwin-arm64.tar.gz"
    assert proof.note.startswith(b"example.com/fancylog\n109482\n")
    assert proof.text() == C2SP_PROOF.encode()
