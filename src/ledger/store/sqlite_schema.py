"""The SQL of the SQLite store. Ids of streams and commands are ASCII; texts are UTF-8 bytes."""

from typing import Final

from ledger.store.log import LINES_TOGETHER
from ledger.store.recorder import Statements

#: "hour" in the file's header: `file` and we can tell what it is.
APPLICATION_ID: Final = 0x686F7572
FORMAT: Final = 1

#: `rowid` is the position: a column of another name that is the primary key would come twice in
#: the library's `SELECT rowid, *`. Set by us, so deleting or dumping renumbers nothing.
_EVENTS: Final = """
CREATE TABLE stored_events (
    rowid INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    hashes BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""

_COMMANDS: Final = """
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY NOT NULL,
    body_hash BLOB NOT NULL,
    first_position INTEGER NOT NULL,
    count INTEGER NOT NULL,
    answer BLOB NOT NULL
) WITHOUT ROWID"""

#: Rows are only added at the end and overwritten in place: a page split or merge would leave
#: copies of texts in the gaps of pages, where no later erasure finds them.
_NOTES: Final = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    salt BLOB NOT NULL,
    text BLOB NOT NULL
)"""

_KEYS: Final = """
CREATE TABLE keys (
    issued INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    holder TEXT NOT NULL,
    member TEXT,
    salt BLOB NOT NULL,
    digest BLOB NOT NULL
)"""

#: What was signed, by size and key; what is signed once is shown for ever.
_CHECKPOINTS: Final = """
CREATE TABLE checkpoints (
    size INTEGER NOT NULL,
    verifier TEXT NOT NULL,
    note BLOB NOT NULL,
    PRIMARY KEY (size, verifier)
) WITHOUT ROWID"""

#: `INSERT OR REPLACE` deletes: on our connections recursive triggers make it run into these.
_REFUSE_CHANGES: Final = tuple(
    f"CREATE TRIGGER {table}_refuse_{change} BEFORE {change} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for table in ("stored_events", "commands", "keys", "checkpoints")
    for change in ("update", "delete")
)

CREATE: Final = (
    _EVENTS,
    _COMMANDS,
    _NOTES,
    _KEYS,
    _CHECKPOINTS,
    "CREATE INDEX keys_holder ON keys (holder)",
    *_REFUSE_CHANGES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)

LAST_POSITION: Final = "SELECT max(rowid) FROM stored_events"
INSERT_EVENT: Final = (
    "INSERT INTO stored_events "
    "(rowid, originator_id, originator_version, topic, state, hashes) VALUES (?, ?, ?, ?, ?, ?)"
)
#: Many rows a statement: each statement gives the interpreter's lock away once, and then waits for
#: it. Numbers of rows, the largest first, and their statements.
INSERT_EVENTS: Final = {
    rows: INSERT_EVENT + ", (?, ?, ?, ?, ?, ?)" * (rows - 1) for rows in (1000, 100)
}
INSERT_COMMAND: Final = (
    "INSERT INTO commands "
    "(command_id, body_hash, first_position, count, answer) VALUES (?, ?, ?, ?, ?)"
)
#: The same digest is the same text.
INSERT_NOTE: Final = (
    "INSERT INTO notes (digest, salt, text) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"
)
#: The same sizes, so that SQLite overwrites the very bytes.
ERASE_NOTE: Final = (
    "UPDATE notes SET salt = zeroblob(length(salt)), text = zeroblob(length(text)) WHERE digest = ?"
)
#: Empties the file of the write-ahead log, which still holds what was overwritten.
TRUNCATE_LOG: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
#: The lines of a part, each with its newline; a range of the primary key is read in its order.
_LINES: Final = (
    """SELECT CAST(group_concat('{"originator_id":"' || originator_id"""
    """ || '","originator_version":' || originator_version || ',"position":' || rowid"""
    """ || ',"state":' || CAST(state AS TEXT) || ',"topic":"' || topic || '"}\n', '')"""
    " AS BLOB) FROM stored_events WHERE rowid > after "
    f"AND rowid <= min(after + {LINES_TOGETHER}, until)"
)
_APART: Final = "(SELECT value FROM asked, json_each(topics))"

STATEMENTS: Final = Statements(
    lock="",  # BEGIN IMMEDIATE has it
    last="SELECT topic, state, rowid FROM stored_events ORDER BY rowid DESC LIMIT 1",
    hashes_at="SELECT hashes FROM stored_events "
    "WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid",
    glance="SELECT end.position, command_id, body_hash, first_position, count, answer "
    "FROM (SELECT coalesce(max(rowid), 0) AS position FROM stored_events) AS end "
    "LEFT JOIN commands ON command_id IN (SELECT value FROM json_each(?))",
    streams="SELECT rowid, originator_id, originator_version, topic, state FROM stored_events "
    "WHERE originator_id IN (SELECT value FROM json_each(?)) "
    "ORDER BY originator_id, originator_version",
    rows="SELECT rowid, originator_id, originator_version, topic, state, hashes "
    "FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
    lines="WITH RECURSIVE asked (first, until, topics) AS (VALUES (?, ?, ?)), "
    "part (after, until) AS (SELECT first, until FROM asked UNION ALL "
    f"SELECT after + {LINES_TOGETHER}, until FROM part WHERE after + {LINES_TOGETHER} < until) "
    f"SELECT after, ({_LINES} AND topic IN {_APART}), ({_LINES} AND topic NOT IN {_APART}) "
    "FROM part",
    rows_at="SELECT rowid, originator_id, originator_version, topic, state, hashes "
    "FROM stored_events WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid",
    commands="SELECT command_id, body_hash, first_position, count, answer FROM commands "
    "WHERE command_id > ? ORDER BY command_id LIMIT ?",
    notes="SELECT digest, salt, text FROM notes WHERE digest > ? ORDER BY digest LIMIT ?",
    streams_after="SELECT DISTINCT originator_id FROM stored_events WHERE rowid > ?",
    note="SELECT salt, text FROM notes WHERE digest = ? AND salt <> zeroblob(length(salt))",
    put_key="INSERT INTO keys (key, holder, member, salt, digest) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (key) DO NOTHING",
    find_key="SELECT key, holder, member, salt, digest FROM keys WHERE key = ?",
    members_of_holder="SELECT DISTINCT member FROM keys WHERE holder = ? AND member IS NOT NULL",
    list_keys="SELECT key, holder, member, salt, digest FROM keys ORDER BY issued",
    keep_checkpoint="INSERT INTO checkpoints (size, verifier, note) VALUES (?, ?, ?) "
    "ON CONFLICT (size, verifier) DO NOTHING",
    find_checkpoint="SELECT note FROM checkpoints WHERE size = ? AND verifier = ?",
    last_checkpoint="SELECT size, verifier, note FROM checkpoints WHERE ? IN ('', verifier) "
    "ORDER BY size DESC, verifier LIMIT 1",
    checkpoints="SELECT size, verifier, note FROM checkpoints WHERE size > ? AND size <= "
    "(SELECT max(size) FROM (SELECT DISTINCT size FROM checkpoints WHERE size > ? "
    "ORDER BY size LIMIT ?)) ORDER BY size, verifier",
)
