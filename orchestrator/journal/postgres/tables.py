"""The journal's tables, as `store` reads and writes them; a test holds the migrations equal to them."""

from __future__ import annotations

import sqlalchemy as sa

VERSION_TABLE = "haltdrill_version"
"""Where Alembic keeps the schema version."""

_NAME = sa.Text(collation="C")
"""Names sort by their bytes, as in SQLite, whatever the database's language."""

metadata = sa.MetaData()

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("drill", _NAME, primary_key=True),
    sa.Column("warrant", _NAME, nullable=False),
    sa.Column("use", sa.Integer, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("warrant", "use", name="drills_warrant_use"),
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("drill", _NAME, sa.ForeignKey("drills.drill"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.LargeBinary, nullable=False),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("line", sa.LargeBinary, nullable=False),
)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("site", _NAME, primary_key=True),
    sa.Column("who", _NAME, primary_key=True),
    sa.Column("store", _NAME, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)

leader = sa.Table(
    "leader",
    metadata,
    sa.Column("one", sa.SmallInteger, sa.CheckConstraint("one = 1", name="leader_one"), primary_key=True),
    # Each leader takes the next number; what is written under an earlier one is refused.
    sa.Column("token", sa.BigInteger, nullable=False),
    # Whose drills these are, from the first leader on: two fleets never mix in one journal.
    sa.Column("fleet", _NAME, nullable=True),
)
