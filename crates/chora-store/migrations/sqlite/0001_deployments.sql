-- Leases, releases, deployments, journals. `seq` is the order of recording: clocks may go backwards.
CREATE TABLE leases (
    environment TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    started     TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    since       TEXT NOT NULL,
    heartbeat   TEXT NOT NULL
) STRICT;

CREATE TABLE releases (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    version     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX releases_by_environment ON releases (environment, seq);

CREATE TABLE deployments (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    action      TEXT NOT NULL,
    release     TEXT NOT NULL,
    version     TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    ended_at    TEXT,
    outcome     TEXT,
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX deployments_by_environment ON deployments (environment, seq);

CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL REFERENCES deployments (id),
    step       INTEGER NOT NULL,
    mark       TEXT NOT NULL,
    at         TEXT NOT NULL,
    note       TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_deployment ON journal (deployment, seq);

CREATE TABLE live (
    environment TEXT PRIMARY KEY,
    release     TEXT NOT NULL REFERENCES releases (id)
) STRICT;
