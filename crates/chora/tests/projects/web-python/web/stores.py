"""The stores: PostgreSQL keeps every visitor, Redis counts them."""

import os
from pathlib import Path

import psycopg
import redis

visits = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=3)


def connect():
    names = {"host": "HOST", "port": "PORT", "dbname": "NAME", "user": "USER"}
    settings = {key: os.environ[f"DATABASE_{name}"] for key, name in names.items()}
    return psycopg.connect(**settings, password=Path(os.environ["DATABASE_PASSWORD_FILE"]).read_text().strip(), connect_timeout=3)
