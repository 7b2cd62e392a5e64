"""The journal on PostgreSQL; the only importer of SQLAlchemy, psycopg and Alembic (extra `postgres`)."""
