"""What the doors take at once and how long they wait. Everything has a bound."""

from msgspec import Struct


class Bounds(Struct, frozen=True, kw_only=True):
    """The limits of one service; sizes in bytes, times in seconds."""

    #: A single command.
    body_bytes_max: int = 1 << 20
    #: A batch as a whole, and one line of it.
    batch_bytes_max: int = 1 << 36
    line_bytes_max: int = 1 << 17
    #: Lines of a batch that are decided and written together.
    chunk_lines: int = 500
    #: Lines of a batch that is one transaction: `on_error=atomic`, or a dry run.
    atomic_lines_max: int = 20_000
    #: Result lines that are kept in memory for a slow reader; more of them wait in a file.
    spool_bytes_max: int = 1 << 20
    #: How long the body of a single command may take to come.
    body_wait_s: float = 30.0
    #: How long a write is waited for before `command_in_flight`: longer than the writer's patience.
    write_wait_s: float = 10.0
    #: How long a read waits for `min_position` before `behind`.
    read_wait_s: float = 5.0
    #: How long a key is believed without looking it up again; writes look at the log itself.
    key_kept_s: float = 1.0
    #: Requests of one key in a window of so many seconds; 0 for no limit.
    rate_max: int = 60_000
    rate_window_s: int = 60
    #: Requests without a valid key, by address.
    stranger_rate_max: int = 600
    #: Rows of the log one request may look through in search of a topic.
    scan_rows_max: int = 20_000
    #: Lines one request for a checkpoint reads back; a longer rest is left to the next one.
    checkpoint_rows_max: int = 200_000
    #: Streams of server-sent events at once, and how often each looks for more.
    streams_max: int = 200
    stream_pause_s: float = 0.25
    stream_ping_s: float = 15.0
    #: The figures may be so far behind, in time, before the service says it is not ready.
    lag_s_max: float = 30.0
    #: How long requests may take to finish when the service is told to stop.
    stop_s: int = 25
