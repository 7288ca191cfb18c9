"""The databases that are measured, side by side in one cluster: the migrations as they stand, and bare tables."""

from __future__ import annotations

from pathlib import Path

from mix import PRINCIPAL
from wire import Connection

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations" / "sql"
BARE = """
create schema bare;
create table bare.inserted (like ledger.event including indexes) partition by hash (workspace);
create table bare.copied (like ledger.event including indexes) partition by hash (workspace);
do $$ begin
  for n in 0..15 loop
    execute format('create table bare.inserted_%s partition of bare.inserted for values with (modulus 16, remainder %s)', n, n);
    execute format('create table bare.copied_%s partition of bare.copied for values with (modulus 16, remainder %s)', n, n);
  end loop;
end $$;
"""


class Cluster:
    def __init__(self, directory: str):
        self.directory = directory
        self.admin = Connection(self.conninfo("postgres"))
        self.admin.run("alter system set log_min_messages = error")

    def conninfo(self, database: str, user: str = "postgres") -> str:
        return f"host={self.directory} dbname={database} user={user}"

    def database(self, name: str, template: str = "template0") -> Connection:
        self.admin.run(f"create database {name} template {template}")
        return Connection(self.conninfo(name))

    def migrated(self, name: str) -> None:
        """A database with every migration, and a writer that may append everywhere and nothing else."""
        connection = self.database(name)
        connection.run("set client_min_messages = warning")
        for file in sorted(MIGRATIONS.glob("m*.sql")):
            connection.run("begin;" + file.read_text() + ";commit")
        connection.run(f"create role {PRINCIPAL} login in role ledger_writer")
        connection.run(f"select ledger.grant_append('{PRINCIPAL}', '*', '')")
        connection.close()

    def without_projections(self, name: str, template: str) -> None:
        connection = self.database(name, template)
        connection.run("delete from ledger.projection")
        connection.close()

    def bare(self, name: str, template: str) -> None:
        connection = self.database(name, template)
        connection.run(BARE)
        connection.close()

    def settle(self, *databases: str) -> None:
        """Statistics as after a day in use: plans made for empty tables would slow small calls."""
        for name in databases:
            connection = Connection(self.conninfo(name))
            connection.run("vacuum analyze")
            connection.close()
        self.admin.run("checkpoint")
