"""Where a signing key may come from, and that nothing shows it."""

import errno
import os
import traceback
from pathlib import Path
from typing import Final

import pytest

from ledger.domain.errors import InvalidSettings
from ledger.log.signer import parse_signer, write_signer
from ledger.settings import Settings
from ledger.signing import require_signer, signer_of, write_key
from tests.signed_log import LOG_KEY

TEXT: Final = write_signer(LOG_KEY)
SECRET: Final = TEXT.split("+", 4)[4]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.key"
    write_key(path, LOG_KEY)
    return path


def test_a_key_is_written_for_its_owner_alone_and_never_over_another(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert parse_signer(key_file.read_text()).verifier == LOG_KEY.verifier
    with pytest.raises(FileExistsError):
        write_key(key_file, LOG_KEY)


def test_a_written_key_is_durable_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    write_key(tmp_path / "log.key", LOG_KEY)
    assert synced == [(tmp_path / "log.key").stat().st_ino, tmp_path.stat().st_ino]


def test_a_key_that_finds_no_room_leaves_nothing_in_the_way_of_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "log.key"
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_key(path, LOG_KEY)
    write_key(path, LOG_KEY)
    assert parse_signer(path.read_text()).verifier == LOG_KEY.verifier


def test_a_key_comes_from_a_file_or_from_the_environment(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert signer_of(Settings()) is None
    with pytest.raises(InvalidSettings):
        require_signer(Settings())
    monkeypatch.setenv("LEDGER_SIGNING_KEY_FILE", str(key_file))
    assert require_signer(Settings()).verifier == LOG_KEY.verifier
    monkeypatch.setenv("LEDGER_SIGNING_KEY", TEXT)
    with pytest.raises(InvalidSettings):
        Settings()
    monkeypatch.delenv("LEDGER_SIGNING_KEY_FILE")
    assert require_signer(Settings()).verifier == LOG_KEY.verifier


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_a_key_that_others_may_touch_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(InvalidSettings, match="chmod 600"):
        signer_of(Settings(signing_key_file=key_file))


def test_what_is_no_key_is_refused_without_being_quoted(key_file: Path, tmp_path: Path) -> None:
    for content in ("", "x", TEXT[:-2], TEXT.replace("PRIVATE", "PUBLIC"), TEXT * 40):
        key_file.write_text(content)
        with pytest.raises(InvalidSettings) as raised:
            signer_of(Settings(signing_key_file=key_file))
        assert SECRET[:12] not in "".join(traceback.format_exception(raised.value))
    os.mkfifo(tmp_path / "pipe", 0o600)
    for wrong in (tmp_path, tmp_path / "missing", tmp_path / "pipe"):
        with pytest.raises(InvalidSettings):
            signer_of(Settings(signing_key_file=wrong))


def test_nothing_that_is_printed_shows_the_key() -> None:
    settings = Settings(signing_key=TEXT)
    signer = require_signer(settings)
    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    shown += f"{signer} {signer!r} {signer.verifier}"
    assert SECRET not in shown
    assert LOG_KEY.private.private_bytes_raw().hex() not in shown
