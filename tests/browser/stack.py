#!/usr/bin/python3
"""PostgreSQL, broker and gateway for the browser tests, told what to do on standard input.

One JSON object a line comes in, {"do": …}; one goes out for each. Ends, with all that it started,
when its input does.

    {"do": "publish", "events": [{"case_no": …, "stage": …, …}]}   -> {"receipts": [{offset, code}]}
    {"do": "restart_gateway"}                                      -> {}
    {"do": "stop_gateway"}, {"do": "start_gateway"}                -> {}
    {"do": "stop_broker"}, {"do": "start_broker"}                  -> {}
    {"do": "token", "name": …, "audience": "staff"}                -> {"token": …}
    {"do": "revoke", "name": …}                                    -> {}
    {"do": "second_gateway", "arguments": […]}                     -> {"gateway": URL}

Its arguments are a directory for logs and, behind it, the gateway's. The first line out is
{"gateway": URL}. Fields of an event are those of event.proto, in the JSON mapping of Protocol
Buffers.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from google.protobuf import json_format  # noqa: E402

from support import wire  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.registry import Registry  # noqa: E402
from support.wait import free_port  # noqa: E402
from support.waybill import Broker, Gateway  # noqa: E402


class Stack:
    def __init__(self, logs, arguments):
        self.logs, self.others = logs, []
        self.directory = tempfile.TemporaryDirectory(prefix="waybill-proto-")
        self.proto = wire.generate(self.directory.name)
        self.postgres = Postgres()
        port = free_port()
        self.broker = Broker(self.postgres.create(), logs / "broker.log",
                             public_url=f"http://127.0.0.1:{port}")
        # A test may come from an address of its own, as if there were a proxy.
        self.gateway = Gateway(self.broker.streams, logs / "gateway.log", port,
                               ["--trusted-proxies=127.0.0.1", *arguments])
        self.broker.start()
        self.gateway.start()
        self.registry = Registry(self.broker.database, self.broker)
        self.session = wire.Publisher(self.proto, self.broker.ingest, "browser-tests")
        self.session.open()

    def publish(self, events):
        made = []
        for fields in events:
            event = wire.event(self.proto)
            json_format.ParseDict(fields, event)
            made.append(event)
        self.session.open()
        return {"receipts": [json_format.MessageToDict(receipt)
                             for receipt in self.session.publish(*made, codes=True)]}

    def do(self, command):
        match command.pop("do"):
            case "publish":
                return self.publish(**command)
            case "restart_gateway":
                self.gateway.restart()
            case "stop_gateway":
                self.gateway.stop()
            case "start_gateway":
                self.gateway.start()
            case "stop_broker":
                self.broker.stop()
            case "start_broker":
                self.broker.start()
            case "token":
                return {"token": self.registry.token(**command)}
            case "revoke":
                self.registry.write("UPDATE waybill.token SET enabled = false WHERE name = %s",
                                    command["name"])
            case "second_gateway":
                log = self.logs / f"gateway-{len(self.others) + 2}.log"
                self.others.append(Gateway(self.broker.streams, log, None, command["arguments"]))
                return {"gateway": self.others[-1].start().url}
        return {}

    def close(self):
        self.session.close()
        programs = [self.gateway, *self.others, self.broker]
        try:
            for program in programs:
                program.close()
        finally:
            for program in programs:
                program.kill()
            self.postgres.remove()
            self.directory.cleanup()


def main():
    logs = Path(sys.argv[1])
    logs.mkdir(parents=True, exist_ok=True)
    stack = Stack(logs, sys.argv[2:])
    try:
        print(json.dumps({"gateway": stack.gateway.url}), flush=True)
        for line in sys.stdin:
            print(json.dumps(stack.do(json.loads(line))), flush=True)
    finally:
        stack.close()


if __name__ == "__main__":
    main()
