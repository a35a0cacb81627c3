"""The SQL of the PostgreSQL store; `{schema}` is a plain lower-case name (`place.SCHEMA_NAME`).

Ids are ASCII and compared byte by byte. Texts are UTF-8 bytes, so that every
text the rules let through can be kept.
"""

from typing import Final, NamedTuple

from ledger.store.log import LINES_TOGETHER
from ledger.store.recorder import Statements

#: First half of all advisory lock keys of ours: "hour".
LOCKS: Final = 0x686F7572

#: `notification_id` is the position; the library's selects know it by this name.
_TABLES: Final = (
    "CREATE SCHEMA IF NOT EXISTS {schema}",
    """
CREATE TABLE {schema}.stored_events (
    notification_id bigint PRIMARY KEY,
    originator_version bigint NOT NULL,
    originator_id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    hashes bytea NOT NULL,
    UNIQUE (originator_id, originator_version)
)""",
    """
CREATE TABLE {schema}.commands (
    first_position bigint NOT NULL,
    count integer NOT NULL,
    command_id text COLLATE "C" PRIMARY KEY,
    body_hash bytea NOT NULL,
    answer bytea NOT NULL
)""",
    # A single erased note is reason enough to vacuum.
    """
CREATE TABLE {schema}.notes (
    digest bytea PRIMARY KEY,
    salt bytea NOT NULL,
    text bytea NOT NULL
) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0)""",
    """
CREATE TABLE {schema}.keys (
    issued bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE,
    holder text COLLATE "C" NOT NULL,
    member text COLLATE "C",
    salt bytea NOT NULL,
    digest bytea NOT NULL
)""",
    "CREATE INDEX keys_holder ON {schema}.keys (holder)",
    """
CREATE TABLE {schema}.checkpoints (
    size bigint NOT NULL,
    verifier text COLLATE "C" NOT NULL,
    note bytea NOT NULL,
    PRIMARY KEY (size, verifier)
)""",
)

#: One call a statement, not a row: no measurable cost. Writers share a lock that an exclusive
#: session takes alone; gaps are refused whoever inserts.
_GUARDS: Final = (
    """
CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$""",
    """
CREATE FUNCTION {schema}.share_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({locks}, TG_RELID::int);
    RETURN NULL;
END $$""",
    """
CREATE FUNCTION {schema}.refuse_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lowest bigint; highest bigint; many bigint;
BEGIN
    SELECT min(notification_id), max(notification_id), count(*)
        INTO lowest, highest, many FROM added;
    IF many > 0 AND (
        lowest < 1 OR highest - lowest + 1 <> many OR (
            lowest > 1 AND NOT EXISTS (
                SELECT FROM {schema}.stored_events WHERE notification_id = lowest - 1
            )
        )
    ) THEN
        RAISE EXCEPTION 'positions % to % leave a gap', lowest, highest
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$""",
    """
CREATE TRIGGER share_log BEFORE INSERT ON {schema}.stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.share_log()""",
    """
CREATE TRIGGER refuse_gap AFTER INSERT ON {schema}.stored_events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_gap()""",
    *(
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE "
        f"ON {{schema}}.{table} FOR EACH STATEMENT EXECUTE FUNCTION {{schema}}.refuse_change()"
        for table in ("stored_events", "commands", "keys", "checkpoints")
    ),
    """
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON {schema}.notes
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()""",
)

#: What the role of the service may do, and no more.
_GRANTS: Final = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT ON {schema}.stored_events, {schema}.commands, {schema}.keys TO {role}",
    "GRANT SELECT, INSERT ON {schema}.checkpoints TO {role}",
    "GRANT SELECT, INSERT, DELETE ON {schema}.notes TO {role}",
)

#: What a connection finds and sets, in one round trip. Waiting is bounded: for a lock, for a
#: statement, and for a client that stopped in the middle of a transaction.
CONNECT: Final = b"""
SELECT current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('server_encoding') AS server_encoding,
    set_config('lock_timeout', '5s', false),
    set_config('statement_timeout', '30s', false),
    set_config('idle_in_transaction_session_timeout', '10s', false)"""

#: The lines of some rows, each with its newline.
_LINES: Final = (
    "string_agg(convert_to("
    """'{"originator_id":"' || originator_id || '","originator_version":' || """
    """originator_version || ',"position":' || notification_id || ',"state":', 'UTF8')"""
    """ || state || convert_to(',"topic":"' || topic || E'"}\\n', 'UTF8'), '')"""
)


class Writes(NamedTuple):
    """The statements of writing; array parameters, one per column."""

    creation_lock: str
    is_created: str
    copy_events: str
    events: str
    commands: str
    notes: str
    erase: str
    owns_notes: str
    rewrite_notes: str


def _quoted(name: str) -> str:
    """A name as an identifier, whatever word it is."""
    return '"' + name.replace('"', '""') + '"'


def create(schema: str) -> list[str]:
    """Statements that make schema, tables and guards."""
    names = {"schema": _quoted(schema), "locks": LOCKS}
    return [statement.format(**names) for statement in (*_TABLES, *_GUARDS)]


def grants(schema: str, role: str) -> list[str]:
    """Statements that let a role work as the service."""
    names = {"schema": _quoted(schema), "role": _quoted(role)}
    return [statement.format(**names) for statement in _GRANTS]


def writes(schema: str) -> Writes:
    """The statements of writing."""
    schema = _quoted(schema)
    events = f"{schema}.stored_events"
    columns = "(notification_id, originator_version, originator_id, topic, state, hashes)"
    return Writes(
        creation_lock=f"SELECT pg_advisory_xact_lock({LOCKS}, hashtext(%b))",
        # Not to_regclass: it may remember what was missing before the wait for the creation lock.
        is_created="SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace AS n "
        "ON n.oid = relnamespace WHERE nspname = %b AND relname = 'stored_events')",
        copy_events=f"COPY {events} {columns} FROM STDIN (FORMAT binary)",
        events=f"INSERT INTO {events} {columns} SELECT * FROM unnest("
        "%b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::bytea[], %b::bytea[])",
        commands=f"INSERT INTO {schema}.commands "
        "(command_id, body_hash, first_position, count, answer) SELECT * FROM unnest("
        "%b::text[], %b::bytea[], %b::bigint[], %b::integer[], %b::bytea[])",
        # The same digest is the same text.
        notes=f"INSERT INTO {schema}.notes (digest, salt, text) SELECT * FROM unnest("
        "%b::bytea[], %b::bytea[], %b::bytea[]) ON CONFLICT (digest) DO NOTHING",
        erase=f"DELETE FROM {schema}.notes WHERE digest = ANY(%b::bytea[])",
        owns_notes="SELECT pg_has_role(relowner, 'USAGE') FROM pg_class "
        f"WHERE oid = '{schema}.notes'::regclass",
        rewrite_notes=f"VACUUM (FULL, SKIP_LOCKED) {schema}.notes",
    )


def statements(schema: str) -> Statements:
    """The statements of reading."""
    schema = _quoted(schema)
    events, commands, keys = f"{schema}.stored_events", f"{schema}.commands", f"{schema}.keys"
    columns = "notification_id, originator_id, originator_version, topic, state"
    checkpoints, kept = f"{schema}.checkpoints", "size, verifier, note"
    secret = "key, holder, member, salt, digest"  # noqa: S105  names of columns
    return Statements(
        lock=f"SELECT pg_advisory_xact_lock({LOCKS}, '{events}'::regclass::oid::int)",
        last=f"SELECT topic, state, notification_id FROM {events} "
        "ORDER BY notification_id DESC LIMIT 1",
        hashes_at=f"SELECT hashes FROM {events} "
        "WHERE notification_id = ANY(%b::bigint[]) ORDER BY notification_id",
        glance="SELECT head.position, command_id, body_hash, first_position, count, answer "
        f"FROM (SELECT coalesce(max(notification_id), 0) AS position FROM {events}) AS head "
        f"LEFT JOIN {commands} ON command_id = ANY(%b::text[])",
        streams=f"SELECT {columns} FROM {events} WHERE originator_id = ANY(%b::text[]) "
        "ORDER BY originator_id, originator_version",
        rows=f"SELECT {columns}, hashes FROM {events} "
        "WHERE notification_id > %b ORDER BY notification_id LIMIT %b",
        lines="WITH asked (after, until, topics) AS "
        "(SELECT %b::bigint, %b::bigint, %b::text[]) SELECT part, apart, others "
        f"FROM asked, generate_series(after, until - 1, {LINES_TOGETHER}) AS part, LATERAL ("
        f"SELECT {_LINES} FILTER (WHERE topic = ANY(topics)) AS apart, "
        f"{_LINES} FILTER (WHERE topic <> ALL(topics)) AS others "
        f"FROM (SELECT * FROM {events} WHERE notification_id > part "
        f"AND notification_id <= least(part + {LINES_TOGETHER}, until) "
        "ORDER BY notification_id) AS next) AS lines",
        rows_at=f"SELECT {columns}, hashes FROM {events} "
        "WHERE notification_id = ANY(%b::bigint[]) ORDER BY notification_id",
        commands=f"SELECT command_id, body_hash, first_position, count, answer FROM {commands} "
        "WHERE command_id > %b ORDER BY command_id LIMIT %b",
        notes=f"SELECT digest, salt, text FROM {schema}.notes "
        "WHERE digest > %b ORDER BY digest LIMIT %b",
        streams_after=f"SELECT DISTINCT originator_id FROM {events} WHERE notification_id > %b",
        note=f"SELECT salt, text FROM {schema}.notes WHERE digest = %b",
        put_key=f"INSERT INTO {keys} ({secret}) VALUES (%b, %b, %b, %b, %b) "
        "ON CONFLICT (key) DO NOTHING",
        find_key=f"SELECT {secret} FROM {keys} WHERE key = %b",
        members_of_holder=f"SELECT DISTINCT member FROM {keys} "
        "WHERE holder = %b AND member IS NOT NULL",
        list_keys=f"SELECT {secret} FROM {keys} ORDER BY issued",
        keep_checkpoint=f"INSERT INTO {checkpoints} ({kept}) VALUES (%b, %b, %b) "
        "ON CONFLICT (size, verifier) DO NOTHING",
        find_checkpoint=f"SELECT note FROM {checkpoints} WHERE size = %b AND verifier = %b",
        last_checkpoint=f"SELECT {kept} FROM {checkpoints} WHERE %b::text IN ('', verifier) "
        "ORDER BY size DESC, verifier LIMIT 1",
        checkpoints=f"SELECT {kept} FROM {checkpoints} WHERE size > %b AND size <= "
        f"(SELECT max(size) FROM (SELECT DISTINCT size FROM {checkpoints} WHERE size > %b "
        "ORDER BY size LIMIT %b) AS sizes) ORDER BY size, verifier",
    )
