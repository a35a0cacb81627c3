"""Public keys, signed notes and proofs as the terminal gives and takes them."""

from pathlib import Path
from typing import Final

import click

from api.cli.placing import is_stdout, put_in_place
from api.cli.session import Session
from ledger.domain.errors import InvalidSettings
from ledger.log import checkpoint
from ledger.log.checkpoint import BadCheckpoint, Verifier

#: Longer than any note, proof or receipt.
FILE_BYTES_MAX: Final = 1 << 24


class KeyShape(click.ParamType[Verifier, str]):
    """A public key, written out or in a file."""

    name = "key"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Verifier:
        """The key. Fails as a usage error."""
        try:
            path = Path(value)
            is_file = "+" not in value and path.is_file()
            return checkpoint.parse_verifier(path.read_text("utf-8") if is_file else value)
        except (BadCheckpoint, OSError, UnicodeDecodeError):
            self.fail(f"{value!r} is neither a public key nor a file with one", param, ctx)


class Small(click.ParamType[bytes, str]):
    """The content of a small file; `-` is stdin."""

    name = "FILE"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """The content. Fails as a usage error."""
        try:
            with click.open_file(value, "rb") as file:
                content: bytes = file.read(FILE_BYTES_MAX + 1)
        except OSError as error:
            self.fail(f"{value!r}: {error.strerror}", param, ctx)
        if len(content) > FILE_BYTES_MAX:
            self.fail(f"{value!r} is too large", param, ctx)
        return content


def log_key_option() -> click.Option:
    """The option for the public key of a log."""
    said = "the log's public key, or a file with it; the own one if a signing key is set"
    return click.Option(["--log-key"], type=KeyShape(), metavar="KEY", help=said)


def known_key(now: Session, given: Verifier | None) -> Verifier | None:
    """The public key given, or that of the own signing key, if there is one."""
    from ledger.signing import signer_of  # noqa: PLC0415 (not for --help)

    signer = None if given is not None else signer_of(now.settings())
    return given if signer is None else signer.verifier


def verifier_for(now: Session, given: Verifier | None) -> Verifier:
    """The same; click.UsageError where there is none."""
    found = known_key(now, given)
    if found is None:
        raise click.UsageError("--log-key is needed: the public key of the log.")
    return found


def put(output: Path | None, content: bytes) -> None:
    """Write to a file, whole or not at all, or to stdout as it is. Raises InvalidSettings.

    A witness may read the file at any time, and what stood there may be the last of its kind.
    """
    if output is None or is_stdout(output):
        click.echo(content, nl=False)
        return
    try:
        with put_in_place(output) as file:
            file.write(content)
    except OSError as error:
        raise InvalidSettings("output", reason=error.strerror) from None


def output_option() -> click.Option:
    """The option for a file to write to."""
    shape = click.Path(dir_okay=False, path_type=Path)
    return click.Option(["--output"], type=shape, metavar="FILE", help="where to; stdout if absent")
