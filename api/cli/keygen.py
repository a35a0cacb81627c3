"""`hourledger keygen`: a new key that signs for a log, or for a witness."""

from pathlib import Path

import click

from api.cli.program import Command
from api.cli.session import session
from ledger.domain.errors import InvalidSettings
from ledger.log.checkpoint import COSIGNATURE, ED25519, is_name
from ledger.log.signer import Signer


def run(*, file: Path, name: str | None, witness: bool) -> None:
    """Write the private key to a new file, and show the public one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 (not for --help)
        Ed25519PrivateKey,
    )

    from ledger.signing import FILE_VARIABLE, write_key  # noqa: PLC0415
    from ledger.store.tree import origin_of  # noqa: PLC0415

    now = session()
    if name is None and witness:
        raise click.UsageError("--name is needed: what the witness is called.")
    name = name or origin_of(now.open().store)
    if not is_name(name):
        raise click.UsageError("--name has no spaces, no plus sign, and at most 255 characters.")
    signer = Signer(name, COSIGNATURE if witness else ED25519, Ed25519PrivateKey.generate())
    try:
        write_key(file, signer)
    except FileExistsError:
        raise InvalidSettings("FILE", reason="the file exists; no key is overwritten") from None
    except OSError as error:
        raise InvalidSettings("FILE", reason=error.strerror) from None
    now.say(f"{signer.verifier}", verifier=str(signer.verifier), name=name, file=str(file))
    if not now.json:
        use = f"--witness-key {file}" if witness else f"{FILE_VARIABLE}={file}"
        told = f"The private key is in {file}: {use}. Above is the public key; give it out."
        click.echo(told, err=True)


command = Command(
    "keygen",
    params=[
        click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path),
                       help="a new file for the private key; only its owner can read it"),
        click.Option(["--name"], metavar="NAME",
                     help="the log's own name, or what a witness is called; the name of the "
                     "ledger that is open if absent"),
        click.Option(["--witness"], is_flag=True, help="a key that cosigns for a witness"),
    ],
    callback=run,
    help="Make a signing key; print its public side.",
)  # fmt: skip
