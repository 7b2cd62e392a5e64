"""What Alembic runs: the steps that are missing, in one transaction, on the connection that it is handed."""

from alembic import context

from orchestrator.journal.postgres.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
