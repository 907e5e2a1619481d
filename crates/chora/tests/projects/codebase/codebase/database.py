"""PostgreSQL, as the container is told of it."""

import os
from pathlib import Path

import psycopg


def settings():
    names = {"host": "HOST", "port": "PORT", "dbname": "NAME", "user": "USER"}
    password = Path(os.environ["DATABASE_PASSWORD_FILE"]).read_text().strip()
    return {key: os.environ[f"DATABASE_{name}"] for key, name in names.items()} | {"password": password}


def connect():
    return psycopg.connect(**settings(), connect_timeout=3)
