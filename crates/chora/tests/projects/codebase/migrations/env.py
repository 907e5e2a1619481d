"""Connects alembic with the database that the container is told of."""

import sqlalchemy
from alembic import context

from codebase.database import connect

engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=connect)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
