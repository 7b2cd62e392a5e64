"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_NAME = sa.Text(collation="C")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "drills",
        sa.Column("drill", _NAME, primary_key=True),
        sa.Column("warrant", _NAME, nullable=False),
        sa.Column("use", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("warrant", "use", name="drills_warrant_use"),
    )
    op.create_table(
        "records",
        sa.Column("drill", _NAME, sa.ForeignKey("drills.drill"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "notes",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("line", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "parties",
        sa.Column("site", _NAME, primary_key=True),
        sa.Column("who", _NAME, primary_key=True),
        sa.Column("store", _NAME, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
    )
    leader = op.create_table(
        "leader",
        sa.Column("one", sa.SmallInteger, sa.CheckConstraint("one = 1", name="leader_one"), primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("fleet", _NAME, nullable=True),
    )
    op.bulk_insert(leader, [{"one": 1, "token": 0}])
