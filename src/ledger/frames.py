"""Messages between two processes of ours: frames of bytes behind their length."""

from typing import IO, Final

LENGTH_BYTES: Final = 8


def write_frame(output: IO[bytes], content: bytes) -> None:
    """Write one frame. Raises OSError."""
    output.write(len(content).to_bytes(LENGTH_BYTES, "big"))
    output.write(content)
    output.flush()


def read_frame(source: IO[bytes]) -> bytes:
    """Read one frame. Raises OSError, and EOFError where there is no more or only a part."""
    length = source.read(LENGTH_BYTES)
    content = source.read(int.from_bytes(length, "big")) if length else b""
    if len(length) < LENGTH_BYTES or len(content) < int.from_bytes(length, "big"):
        raise EOFError
    return content
