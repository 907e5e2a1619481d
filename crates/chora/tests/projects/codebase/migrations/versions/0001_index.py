"""Files, and their pieces with an embedding each."""

from alembic import op

revision, down_revision = "0001", None

STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE files (name text PRIMARY KEY, digest text NOT NULL)",
    """CREATE TABLE pieces (
        file text NOT NULL REFERENCES files ON DELETE CASCADE,
        line int NOT NULL,
        content text NOT NULL,
        embedding vector(384) NOT NULL,
        PRIMARY KEY (file, line))""",
    "CREATE INDEX ON pieces USING hnsw (embedding vector_cosine_ops)",
)


def upgrade():
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade():
    op.execute("DROP TABLE pieces, files")
