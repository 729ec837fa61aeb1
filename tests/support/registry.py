"""The tables of who may do what, written as an operator's commands write them."""

import hashlib
import time

from zmq.utils import z85

from . import postgres as pg
from . import wait


class Registry:
    """Writes the tables as an operator does, and waits until the broker has read them."""

    def __init__(self, database, broker):
        self.database, self.broker = database, broker

    def write(self, statement, *values):
        """One transaction: the time when it was committed."""
        pg.rows(self.database, statement, *values)
        return time.monotonic()

    def settle(self):
        revision = pg.value(self.database, "SELECT revision FROM waybill.access")
        wait.until(lambda: f"read, revision {revision}\n" in self.broker.text(),
                   what=f"revision {revision} in the broker")

    def source(self, name, *keys, **columns):
        names = "".join(f", {column}" for column in columns)
        self.write(f"INSERT INTO waybill.source (name, registered{names}) VALUES (%s, true"
                   + ", %s" * len(columns) + ")", name, *columns.values())
        for slot, key in enumerate(keys, 1):
            self.source_key(name, key, slot)
        self.settle()

    def source_key(self, name, key, slot):
        self.write("INSERT INTO waybill.key (public_key, source, slot)"
                   " SELECT %s, id, %s FROM waybill.source WHERE name = %s",
                   z85.decode(key[0]), slot, name)

    def follower(self, name, key=None, streams=True, live=True, audiences=("full",)):
        self.write("INSERT INTO waybill.follower (name, streams, live, audiences)"
                   " VALUES (%s, %s, %s, %s)", name, streams, live, list(audiences))
        if key:
            self.write("INSERT INTO waybill.key (public_key, follower, slot) VALUES (%s, %s, 1)",
                       z85.decode(key[0]), name)
        self.settle()

    def token(self, name, audience="staff", seconds=3600, **scope):
        """The token's text. scope: agencies, regions, items."""
        text = f"wbt_test_{name}"
        columns = "".join(f", {column}" for column in scope)
        self.write("INSERT INTO waybill.token (name, digest, audience, expires_at" + columns
                   + ") VALUES (%s, %s, %s, now() + %s * interval '1 second'"
                   + ", %s" * len(scope) + ")", name, hashlib.sha256(text.encode()).digest(),
                   audience, seconds, *scope.values())
        self.settle()
        return text

    def item(self, code, disclosure):
        self.write("INSERT INTO waybill.item (code, disclosure) VALUES (%s, %s)", code, disclosure)
        self.settle()

    def retire(self, key):
        return self.write("DELETE FROM waybill.key WHERE public_key = %s", z85.decode(key[0]))

    def audit(self, subject, code):
        """How often this was refused, as far as it is written."""
        return pg.value(self.database, "SELECT coalesce(sum(count), 0) FROM waybill.audit WHERE"
                        " action = 'refused' AND subject = %s AND detail LIKE %s",
                        subject, f"{code}%")
