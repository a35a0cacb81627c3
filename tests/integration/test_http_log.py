"""Evidence over HTTP: checkpoints, proofs, and receipts in the answers to writes."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from api.bounds import Bounds
from api.cli.log_source import HttpLog, LogNotReached
from api.client import Client
from api.metrics import Metrics
from api.runtime import Runtime
from ledger.application import Ledger
from ledger.checkpoints import Checkpoints
from ledger.domain.errors import InvalidSettings, Unavailable
from ledger.domain.values import Terms
from ledger.log import checkpoint, merkle, tlog_proof
from ledger.log.receipt import Receipt, check_receipt
from ledger.log.signer import Signer, write_signer
from ledger.receipts import Receipts
from ledger.settings import Settings
from ledger.witness import Witness
from tests import rfc6962
from tests.http_service import (
    LONG_AGO,
    NEVER,
    ORIGIN,
    Key,
    done,
    issue,
    listening,
    open_ledger,
    post,
    refused,
    started,
)
from tests.office import REGION
from tests.opened import on_sqlite
from tests.signed_log import LOG_KEY, OTHER_KEY, WITNESS_KEY, signer

VERIFIER: Final = LOG_KEY.verifier
ROLES: Final = ("admin",)


@pytest.fixture
def signing(database_url: str) -> Settings:
    """A ledger with a signing key."""
    settings = Settings(database_url=database_url, signing_key=write_signer(LOG_KEY))
    open_ledger(settings)
    return settings


@pytest.fixture
def key(signing: Settings) -> Key:
    return issue(signing, "clerk", *ROLES)


@pytest.fixture
def client(signing: Settings, key: Key) -> Iterator[httpx.Client]:
    with started(signing) as client:
        client.headers.update(key)
        yield client


def register(client: httpx.Client, member: str, command_id: str | None = None) -> dict[str, Any]:
    return done(post(client, "/v1/members", {"member": member, "region": REGION}, {}, command_id))


def leaves_of(client: httpx.Client) -> list[bytes]:
    """The leaves of all lines, hashed from the feed by an independent reading of the RFC."""
    lines = client.get("/v1/events?limit=1000", headers={"accept": "application/x-ndjson"})
    return [rfc6962.leaf_of(line) for line in lines.content.splitlines()]


def unbase64(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in hashes]


def test_a_checkpoint_is_of_the_log_as_it_is(client: httpx.Client) -> None:
    for member in ("V1", "V2", "V3"):
        position = register(client, member)["position"]
        answer = client.get("/v1/log/checkpoint")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        found = checkpoint.check(answer.content, VERIFIER, ORIGIN)
        assert (found.size, found.root) == (position, rfc6962.root_of(leaves_of(client)))
        again = client.get("/v1/log/checkpoint")
        assert again.content == answer.content
    kept = client.get("/v1/log/checkpoints").json()["checkpoints"]
    assert [each["size"] for each in kept] == [position - 2, position - 1, position]
    assert {each["verifier"] for each in kept} == {str(VERIFIER)}
    for each in kept:
        one = client.get("/v1/log/checkpoint", params={"size": each["size"]})
        assert one.text == each["note"]
    after = client.get("/v1/log/checkpoints", params={"after": position - 1, "limit": 5})
    assert after.json()["checkpoints"] == kept[-1:]
    refused(client.get("/v1/log/checkpoint?size=1"), 404, "checkpoint_not_found", "size")


def test_every_event_is_proved_in_every_tree(client: httpx.Client) -> None:
    for number in range(12):
        register(client, f"V{number}")
    client.get("/v1/log/checkpoint")
    leaves = leaves_of(client)
    head = len(leaves)
    for size in (1, 2, 7, head):
        for position in range(1, size + 1):
            told = client.get(f"/v1/log/proof/inclusion?position={position}&size={size}").json()
            path, root = unbase64(told["hashes"]), base64.b64decode(told["root"])
            assert root == rfc6962.root_of(leaves[:size])
            assert base64.b64decode(told["leaf"]) == leaves[position - 1]
            assert rfc6962.holds(leaves[position - 1], told["index"], size, path, root)
            grown = client.get(f"/v1/log/proof/consistency?from={position}&to={size}").json()
            old_root = base64.b64decode(grown["from_root"])
            proof = unbase64(grown["hashes"])
            assert rfc6962.continues(position, size, proof, old_root, root)
            assert (told["tlog_proof"] is None) == (grown["proof"] is None) == (size != head)


def test_proofs_are_c2sp_texts_where_a_checkpoint_was_signed(client: httpx.Client) -> None:
    register(client, "V1")
    older = client.get("/v1/log/checkpoint").content
    register(client, "V2")
    client.get("/v1/log/checkpoint")
    told = client.get("/v1/log/proof/inclusion?position=2").json()
    leaf = base64.b64decode(told["leaf"])
    proof, found = tlog_proof.verify_inclusion(told["tlog_proof"].encode(), leaf, VERIFIER)
    assert (proof.index, found.size) == (1, told["size"])
    old = checkpoint.check(older, VERIFIER)
    grown = client.get("/v1/log/proof/consistency", params={"from": old.size}).json()
    tlog_proof.verify_consistency(grown["proof"].encode(), older, VERIFIER)


#: What is asked, and the parameter that is wrong.
REFUSED: Final = {
    "proof/inclusion?position=0": "position",
    "proof/inclusion?position=99": "position",
    "proof/inclusion?position=3&size=2": "position",
    "proof/inclusion?position=1&size=99": "size",
    "proof/inclusion": "position",
    "proof/inclusion?position=x": "position",
    "proof/inclusion?position=1&leaf=2": "leaf",
    "proof/consistency?to=2": "from",
    "proof/consistency?from=3&to=2": "from",
    "proof/consistency?from=1&to=99": "to",
    "checkpoint?size=0": "size",
    "checkpoints?limit=0": "limit",
}


def test_what_is_not_in_the_log_is_refused(client: httpx.Client) -> None:
    register(client, "V1")
    client.get("/v1/log/checkpoint")
    for url, at in REFUSED.items():
        refused(client.get(f"/v1/log/{url}"), 422, "invalid_command", at)


def test_the_parameters_there_are_are_told_as_one_writes_them(client: httpx.Client) -> None:
    path = "/v1/log/proof/consistency"
    unknown = refused(client.get(f"{path}?old=1"), 422, "invalid_command", "old")
    assert unknown["facts"]["allowed"] == "from, to"
    bad = refused(client.get(f"{path}?from=x"), 422, "invalid_command", "from")
    assert "allowed" not in bad["facts"]


def test_evidence_needs_a_key_but_no_role(client: httpx.Client, signing: Settings) -> None:
    scoped = issue(signing, "narrow", "recorder", regions=("11",))
    register(client, "V1")
    assert client.get("/v1/log/checkpoint", headers=scoped).status_code == 200
    answer = client.get("/v1/log/checkpoint", headers={"authorization": "Bearer nobody"})
    refused(answer, 401, "unauthenticated")


def test_a_long_log_is_signed_in_steps(signing: Settings, key: Key) -> None:
    with started(signing, bounds=Bounds(checkpoint_rows_max=3)) as client:
        client.headers.update(key)
        for number in range(6):
            register(client, f"V{number}")
        sizes = [
            checkpoint.check(client.get("/v1/log/checkpoint").content, VERIFIER).size
            for _ in range(4)
        ]
    assert sizes == [3, 6, 8, 8]


def test_without_a_key_only_what_was_signed_before_is_shown(settings: Settings) -> None:
    open_ledger(settings)
    key = issue(settings, "clerk", *ROLES)
    with started(settings) as client:
        client.headers.update(key)
        assert "signed_receipt" not in register(client, "V1")
        refused(client.get("/v1/log/checkpoint"), 404, "checkpoint_not_found")
        refused(client.get("/v1/log/proof/inclusion?position=1"), 404, "checkpoint_not_found")
        told = client.get("/v1/log/proof/inclusion?position=1&size=2").json()
        assert (len(told["hashes"]), told["tlog_proof"]) == (1, None)


@on_sqlite
def test_a_key_of_another_log_starts_no_service(database_url: str) -> None:
    open_ledger(Settings(database_url=database_url))
    other = write_signer(signer("huli.example/hours"))
    wrong = Settings(database_url=database_url, signing_key=other)
    with pytest.raises(InvalidSettings):
        Runtime(wrong, Bounds(), Metrics(), tailer=False)


# receipts


def receipt_in(text: str) -> Receipt:
    return check_receipt(text.encode(), VERIFIER, ORIGIN)


def test_a_write_is_answered_with_a_receipt(client: httpx.Client) -> None:
    body = register(client, "V1", "k-1")
    receipt = receipt_in(body["signed_receipt"])
    assert (receipt.command_id, receipt.first) == ("clerk/k-1", body["first_position"])
    assert receipt.leaves == leaves_of(client)[receipt.first - 1 :]
    event = client.get(f"/v1/events?after={receipt.first - 1}").json()[0]
    assert receipt.recorded == event["time"]
    again = register(client, "V1", "k-1")
    assert again["replayed"]
    assert again["signed_receipt"] == body["signed_receipt"]
    # Held against a later checkpoint, which the holder got from whomever.
    register(client, "V2")
    client.get("/v1/log/checkpoint")
    told = client.get(f"/v1/log/proof/inclusion?position={receipt.first}").json()
    tlog_proof.verify_inclusion(told["tlog_proof"].encode(), receipt.leaves[0], VERIFIER)


def test_what_writes_nothing_has_no_receipt(client: httpx.Client) -> None:
    wish = {"member": "V1", "region": REGION}
    dry = done(post(client, "/v1/members?dry_run=true", wish, {}))
    assert dry["count"] == 1
    assert "signed_receipt" not in dry
    register(client, "V1")
    answer = post(client, "/v1/members", wish, {})
    refused(answer, 409, "already_exists")
    issued = done(
        post(
            client,
            "/v1/keys",
            {"holder": "x", "roles": ["auditor"], "expires_on": "2099-12-31"},
            {},
        )
    )
    assert receipt_in(issued["signed_receipt"]).first == issued["first_position"]


def batch(
    client: httpx.Client, members: range, *, key: str = "batch-1", **params: Any
) -> list[dict[str, Any]]:
    lines = "".join(
        json.dumps({"op": "register_member", "member": f"V{n}", "region": REGION}) + "\n"
        for n in members
    )
    headers = {"content-type": "application/x-ndjson", "idempotency-key": key}
    answer = client.post("/v1/batch", content=lines, params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def test_a_batch_has_a_receipt_for_each_transaction(signing: Settings, key: Key) -> None:
    with started(signing, bounds=Bounds(chunk_lines=10)) as client:
        client.headers.update(key)
        register(client, "V7")
        results = batch(client, range(25), on_error="continue")
        leaves = leaves_of(client)
        again = batch(client, range(25), on_error="continue")
    signed = {
        n: result["signed_receipt"]
        for n, result in enumerate(results)
        if "signed_receipt" in result
    }
    assert list(signed) == [9, 19, 24]
    assert [result["outcome"] for result in results].count("done") == 24
    confirmed = [leaf for text in signed.values() for leaf in receipt_in(text).leaves]
    assert confirmed == leaves[-24:]
    assert [receipt_in(text).command_id for text in signed.values()] == [
        f"clerk/batch-1{rest}" for rest in ("", "/2", "/3")
    ]
    assert {
        n: result["signed_receipt"] for n, result in enumerate(again) if "signed_receipt" in result
    } == signed


def test_an_atomic_batch_has_one_receipt(client: httpx.Client) -> None:
    results = batch(client, range(30))
    (text,) = [result["signed_receipt"] for result in results if "signed_receipt" in result]
    assert len(receipt_in(text).leaves) == 30
    assert "signed_receipt" in results[-1]
    assert not any(
        "signed_receipt" in result for result in batch(client, range(30, 33), dry_run=True)
    )


def test_no_receipt_is_no_failed_write(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 17: whatever happens after the commit, the write is answered as done."""
    for number, error in enumerate((Unavailable(), ValueError(), MemoryError())):
        name, command_id = f"V{number}", f"k-{number}"

        def broken(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(Receipts, "of_answer", broken)
            body = register(client, name, command_id)
            assert "signed_receipt" not in body
            assert body["count"] == 1
            results = batch(client, range(50 + 2 * number, 52 + 2 * number), key=f"batch-{number}")
            assert [result["outcome"] for result in results] == ["done", "done"]
        again = register(client, name, command_id)
        assert receipt_in(again["signed_receipt"]).first == body["first_position"]


@pytest.mark.parametrize("own", [LOG_KEY, OTHER_KEY])
def test_proofs_lead_to_what_the_services_own_key_has_signed(
    signing: Settings, database_url: str, key: Key, own: Signer
) -> None:
    """Whichever other key has signed the log at the same size."""
    ledger = Ledger(signing)
    for each in (LOG_KEY, OTHER_KEY):
        kept = Checkpoints(ledger.store, each).sign()
    ledger.close()
    service = Settings(database_url=database_url, signing_key=write_signer(own))
    with started(service) as client:
        client.headers.update(key)
        for size in ({}, {"size": kept.size}):
            note = client.get("/v1/log/checkpoint", params=size).content
            assert checkpoint.check(note, own.verifier).size == kept.size
            asked = {"position": 1, **size}
            proof = client.get("/v1/log/proof/inclusion", params=asked).json()["tlog_proof"]
            assert proof.endswith(note.decode())
        grown = client.get("/v1/log/proof/consistency", params={"from": 1}).json()["proof"]
        assert grown.endswith(note.decode())


# a witness


def test_a_witness_watches_a_service(signing: Settings, key: Key, tmp_path: Any) -> None:
    witness = Witness(tmp_path, WITNESS_KEY, VERIFIER)
    secret = key["authorization"].removeprefix("Bearer ")
    with listening(signing) as url, httpx.Client(base_url=url, headers=key) as client:
        source = HttpLog(url, secret)
        for member in ("V1", "V2", "V3"):
            position = register(client, member)["position"]
            seen = witness.observe(source, 1_750_000_000)
            assert seen.checkpoint.size == position
            assert checkpoint.cosigned_at(seen.note, WITNESS_KEY.verifier) == 1_750_000_000
        assert merkle.root([]) != seen.checkpoint.root
        with pytest.raises(LogNotReached) as raised:
            HttpLog(url, None).checkpoint()
        assert raised.value.facts["status"] == 401
    with pytest.raises(LogNotReached):
        source.checkpoint()


def test_the_client_gets_the_evidence(client: httpx.Client) -> None:
    """A receipt of money keeps its id beside the signed receipt of the write."""
    secret = client.headers["authorization"].removeprefix("Bearer ")
    with Client(str(client.base_url), secret) as ledger:
        ledger.organisations.register(organisation="O1", name="社", org_kind="team", region=REGION)
        terms = Terms(purpose="助老", opens_on=LONG_AGO, closes_on=NEVER)
        ledger.funds.open(fund="F1", name="金", organisation="O1", region=REGION, terms=terms)
        first = checkpoint.check(ledger.log.checkpoint().encode(), VERIFIER).size
        answer = ledger.funds.receive(
            fund="F1", source_kind="charity", source_id="C1", fen=5, document="收据"
        )
        assert answer.result == {"receipt": "F1-R1", "fen": 5}
        assert receipt_in(answer.signed_receipt).first == answer.first_position == first + 1
        note = ledger.log.checkpoint()
        assert ledger.log.checkpoint(first) != note
        assert [kept.size for kept in ledger.log.checkpoints()] == [first, first + 1]
        found = ledger.log.inclusion(answer.position)
        assert (found.index, found.size) == (first, first + 1)
        grown = ledger.log.consistency(first)
        assert (grown.from_, grown.to, grown.to_root) == (first, first + 1, found.root)
