"""State in SQL: SQLite by default, PostgreSQL when outgrown, one set of queries for both (SQLAlchemy Core)."""
