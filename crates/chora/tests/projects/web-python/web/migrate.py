"""Brings the database up to date."""

from web.stores import connect

with connect() as database:
    database.execute("CREATE TABLE IF NOT EXISTS visitors (id serial PRIMARY KEY, agent text NOT NULL)")
