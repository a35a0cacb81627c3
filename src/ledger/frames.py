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


def frame(content: bytes) -> bytes:
    """One frame as it is written."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


class Incoming:
    """Frames out of bytes as they come in, for whoever may not wait for a whole one."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, piece: bytes) -> list[bytes]:
        """The frames that are whole with these bytes."""
        kept, found, at = self._kept, [], 0
        kept += piece
        while len(kept) - at >= LENGTH_BYTES:
            begin = at + LENGTH_BYTES
            end = begin + int.from_bytes(kept[at:begin], "big")
            if len(kept) < end:
                break
            found.append(bytes(kept[begin:end]))
            at = end
        del kept[:at]
        return found
