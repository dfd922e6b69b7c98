"""The tables as they are at this release. The migrations lead here; a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# SQLite counts only in columns of exactly the type INTEGER, which holds 64 bits there.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


outcomes = Table(
    "outcomes",
    metadata,
    # Rows are counted in the order in which they become visible; see `SqlOutcomeStore.record_outcomes`.
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("prediction_id", String(26), nullable=False),
    Column("status", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("assigned_version", String(64), nullable=False),
    Column("served_version", String(64), nullable=False),
    Column("served_digest", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("experiment", String(64), nullable=False),
    Column("variant", String(64), nullable=False),
    Column("override", Boolean, nullable=False),
    Column("unit_hash", String(32), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("label", Text),
    Column("confidence", Float),
    Column("entropy", Float),
    Column("is_sure", Boolean),
    Column("top", Text, nullable=False),
    Column("error_code", String(64)),
    Column("error_detail", Text),
    Column("flags", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger, nullable=False),
    Column("intake_ms", Float, nullable=False),
    Column("queue_ms", Float, nullable=False),
    Column("preprocess_ms", Float, nullable=False),
    Column("inference_ms", Float, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("primary_id", String(26), nullable=False, server_default=""),
    Column("fallback", String(32), nullable=False, server_default=""),
    Column("is_familiar", Boolean),
    Column("heat", Text, nullable=False, server_default=""),
    Column("measures", Text, nullable=False, server_default=""),
    Column("origin", String(16), nullable=False, server_default=""),
    Column("fingerprint", String(32), nullable=False, server_default=""),
    Column("schema", Integer, nullable=False),
    UniqueConstraint("prediction_id", name="outcomes_once"),
    Index("outcomes_by_time", "created_ms"),
    Index("outcomes_by_revision", "revision", "assigned_version", "created_ms"),
    Index("outcomes_by_version", "assigned_version", "created_ms"),
    # Only what they are for: most outcomes belong to no experiment, and many versions take no measures.
    Index("outcomes_by_artifact", "served_digest", "number", **_where("measures <> ''")),
    Index("outcomes_by_experiment", "experiment", "number", **_where("experiment <> ''")),
    # In the order in which they are evidence.
    Index("outcomes_by_creation", "experiment", "created_ms", "prediction_id", **_where("experiment <> ''")),
    Index("outcomes_by_primary", "primary_id", **_where("primary_id <> ''")),
)

feedback = Table(
    "feedback",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("feedback_id", String(32), nullable=False),
    Column("prediction_id", String(26), nullable=False),
    Column("source", String(16), nullable=False),
    Column("author", String(64), nullable=False),
    Column("correct", Boolean),
    Column("label", Text),
    Column("sampling_probability", Float),
    Column("created_ms", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False, server_default="answer"),
    Column("supersedes", String(32), nullable=False, server_default=""),
    UniqueConstraint("feedback_id", name="feedback_once"),
    Index("feedback_by_prediction", "prediction_id", "number"),
)

alias_changes = Table(
    "alias_changes",
    metadata,
    Column("change_id", Integer, primary_key=True, autoincrement=True),
    Column("alias", String(64), nullable=False),
    # Two changes at the same moment ask for the same number, and only one gets it.
    Column("sequence", Integer, nullable=False),
    Column("version", String(64), nullable=False),
    Column("previous", String(64)),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("alias", "sequence", name="alias_changes_in_turn"),
)

routing_revisions = Table(
    "routing_revisions",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("salt", Text, nullable=False),
    Column("shares", Text, nullable=False),
    Column("slots", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

set_aside = Table(
    "set_aside",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("prediction_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False),
    # As for aliases: two changes at the same moment ask for the same number.
    Column("sequence", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("plan", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("layer", String(64), nullable=False),
    Column("held", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("promoted", String(64), nullable=False),
    Column("champion_before", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("key", "sequence", name="experiments_in_turn"),
)

experiment_revisions = Table(
    "experiment_revisions",
    metadata,
    Column("experiment", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("stage", Integer, nullable=False),
    Column("shares", Text, nullable=False),
    Column("slots", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("audit_log_by_subject", "subject", "number"),
)

review_items = Table(
    "review_items",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("prediction_id", String(26), nullable=False),
    Column("experiment", String(64), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("sampling_probability", Float),
    Column("place", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("prediction_id", "reason", name="review_items_once"),
    Index("review_items_in_order", "experiment", "reason", "place"),
)

review_turns = Table(
    "review_turns",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("prediction_id", String(26), nullable=False),
    Column("expert", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("review_turns_by_prediction", "prediction_id", "number"),
)

# How far the outcomes were looked at for items. The highest number is the present one.
review_progress = Table(
    "review_progress",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("number", _COUNTER, primary_key=True, autoincrement=True),
    Column("key_id", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    UniqueConstraint("key_id", name="api_keys_once"),
)

key_revocations = Table(
    "key_revocations",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
)

# These two are no history: the first only helps to find keys that no one uses, the second is forgotten with time.
key_uses = Table(
    "key_uses",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("last_used_ms", BigInteger, nullable=False),
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session_id", String(32), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
)
