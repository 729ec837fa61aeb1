"""What clients do with keys: they show them, and say in words why a broker does not let them in."""

import json
import os
import re
import subprocess

import pytest
import zmq
from support import paths, wait
from support.keys import Keys, Peer
from support.process import Program, clean_environment
from support.waybill import Gateway

EVENT = ('{"event_id":"1","case_no":"A-1","stage":"RECEIVED",'
         '"occurred_at":"2026-03-02T09:00:00+08:00"}\n')
UNKNOWN = "the broker does not admit this key"
REMEDY = "waybill admin source add"


@pytest.fixture
def server(tmp_path):
    return Keys(tmp_path, "broker")


@pytest.fixture
def permits(tmp_path):
    return Keys(tmp_path, "permits")


@pytest.fixture
def peer(proto, server):
    running = Peer(proto, server)
    yield running
    running.close()


@pytest.fixture
def admitted(peer, permits, cli, server):
    """The peer, with the keys in the environment of programs."""
    peer.admit(permits)
    cli.use(WAYBILL_INGEST=peer.endpoint, WAYBILL_STREAMS=peer.endpoint,
            WAYBILL_SERVER_KEY=server.public, WAYBILL_KEY_FILE=str(permits.path))
    return peer


def publish(cli, peer, *keys, timeout=20, status=0):
    return cli("publish", "--source", "permits", "--ingest", peer.endpoint, "--timeout", timeout,
               *keys, "-", input=EVENT, status=status)


class TestPrograms:
    def test_publish_shows_its_key(self, cli, peer, server, permits):
        peer.admit(permits)
        said = publish(cli, peer, "--server-key", server.public, "--key-file", permits.path)
        assert said.stdout.startswith("offset 1 ") and said.stderr == ""

    def test_the_server_key_may_be_a_file(self, cli, peer, server, permits):
        peer.admit(permits)
        publish(cli, peer, "--server-key", server.public_path, "--key-file", permits.path)

    def test_the_environment_serves_as_well(self, cli, admitted):
        cli("publish", "--source", "permits", "-", input=EVENT)
        told = cli("tail", "--from", "start", "--count", "1").stdout
        assert json.loads(told)["case_no"] == "A-1"

    def test_adapters(self, cli, admitted, tmp_path):
        (tmp_path / "events.ndjson").write_text(EVENT)
        cli.run("waybill-adapter-file", "--source", "permits", "events.ndjson")
        cli.run("waybill-demo", "--once", "--cases", "2", "--history-days", "10")
        assert len(admitted.log) > 3

    def test_adapters_take_options_too(self, cli, peer, server, permits, tmp_path):
        peer.admit(permits)
        keys = "--server-key", server.public_path, "--key-file", permits.path
        (tmp_path / "events.ndjson").write_text(EVENT)
        cli.run("waybill-adapter-file", "--source", "permits", "--ingest", peer.endpoint, *keys,
                "events.ndjson")
        cli.run("waybill-demo", "--once", "--cases", "2", "--history-days", "10", "--ingest",
                peer.endpoint, *keys)


class TestNotAdmitted:
    def test_is_told_once_and_tried_until_it_is(self, peer, server, permits, cli, tmp_path):
        (tmp_path / "events.ndjson").write_text(EVENT)
        program = cli.start("waybill", "publish", "--source", "permits", "--ingest", peer.endpoint,
                            "--server-key", server.public, "--key-file", permits.path,
                            tmp_path / "events.ndjson")
        wait.until(lambda: "waiting for the broker" in program.text(), what="it to wait")
        peer.admit(permits)
        assert program.wait() == 0
        said = program.text()
        assert said.count(UNKNOWN) == 1 and REMEDY in said and peer.endpoint in said
        assert "offset 1 " in said

    def test_tail_says_so(self, cli, peer, server, permits):
        program = cli.start("waybill", "tail", "--from", "start", "--streams", peer.endpoint,
                            "--server-key", server.public, "--key-file", permits.path)
        wait.until(lambda: UNKNOWN in program.text(), what="the words")
        publisher_peer = peer.proto.Event(event_id="1", case_no="A-1", stage=1)
        peer.log.append(publisher_peer)
        peer.admit(permits)
        wait.until(lambda: '"A-1"' in program.text(), what="the event")
        assert program.text().count(UNKNOWN) == 1

    def test_the_gateway_says_so_on_readyz(self, peer, server, permits, tmp_path):
        gateway = Gateway(peer.endpoint, tmp_path / "logs" / "gateway.log", arguments=[
            "--server-key", server.public, "--key-file", str(permits.path)])
        gateway.start(ready=False)
        try:
            def words():
                try:
                    return gateway.get("/readyz")[2].decode()
                except OSError:
                    return ""
            wait.until(lambda: UNKNOWN in words(), what="the reason")
            peer.admit(permits)
            wait.until(lambda: words() == f"ready, with {peer.endpoint}\n", what="the session")
        finally:
            gateway.close()

    def test_a_public_key_that_is_not_the_brokers(self, cli, peer, tmp_path, permits):
        peer.admit(permits)
        other = Keys(tmp_path, "other")
        said = publish(cli, peer, "--server-key", other.public, "--key-file", permits.path,
                       timeout=5, status=1).stderr
        assert said.count("is the broker's public key the right one") == 1

    def test_a_client_without_a_key(self, cli, peer):
        said = publish(cli, peer, timeout=5, status=1).stderr
        assert re.search("does it ask for keys|there keys are asked for", said), said

    def test_a_key_where_none_is_asked_for(self, cli, broker, permits, server):
        said = publish(cli, type("Broker", (), {"endpoint": broker.ingest}), "--server-key",
                       server.public, "--key-file", permits.path, timeout=5, status=1).stderr
        assert re.search("does it ask for keys|they are not used", said), said


class TestFiles:
    def test_both_or_neither(self, cli, peer, server, permits):
        for keys in (("--server-key", server.public), ("--key-file", permits.path)):
            for command in ("tail", "track A-1", "link A-1"):
                said = cli(*command.split(), "--streams", peer.endpoint, *keys, status=2).stderr
                assert "give both" in said
            assert "give both" in publish(cli, peer, *keys, status=2).stderr

    def test_a_secret_that_others_may_read(self, cli, peer, server, permits):
        permits.path.chmod(0o644)
        said = cli("tail", "--streams", peer.endpoint, "--server-key", server.public, "--key-file",
                   permits.path, status=1).stderr
        assert "others may read it" in said and "chmod 600" in said

    def test_a_file_that_is_none(self, cli, peer, server, tmp_path):
        said = publish(cli, peer, "--server-key", server.public, "--key-file",
                       tmp_path / "missing", status=2).stderr
        assert str(tmp_path / "missing") in said and "waybill keygen" in said


class TestTheRealBroker:
    """waybilld with --curve=all, keys by `waybill keygen`, admission by `waybill admin`."""

    @pytest.fixture
    def keyed(self, make_broker, cli, database, tmp_path):
        """Two brokers of one key on one database, and pairs for a source and a follower."""
        for name in ("broker", "permits", "board"):
            cli("keygen", "--out", f"{name}.key")
        arguments = ["--curve=all", f"--key-file={tmp_path / 'broker.key'}"]
        pair = [make_broker(arguments=arguments) for _ in range(2)]
        pair[0].start()
        pair[1].start(ready=False)
        cli.use(WAYBILL_DATABASE=database, WAYBILL_SERVER_KEY="broker.key.pub",
                WAYBILL_INGEST=",".join(broker.ingest for broker in pair),
                WAYBILL_STREAMS=",".join(broker.streams for broker in pair))
        return pair

    def test_source_and_follower(self, keyed, cli):
        cli.use(WAYBILL_KEY_FILE="permits.key")
        said = cli("publish", "--source", "permits", "--timeout", "5", "-", input=EVENT, status=1)
        assert UNKNOWN in said.stderr
        cli("admin", "source", "add", "permits", "--key", "permits.key.pub", "--everything")
        cli("admin", "follower", "add", "board", "--key", "board.key.pub",
            "--audience", "full")
        done = cli("publish", "--source", "permits", "--timeout", "30", "-", input=EVENT)
        assert done.stdout.startswith("offset 1 ")
        cli.use(WAYBILL_KEY_FILE="board.key")
        told = cli("tail", "--from", "start", "--count", "1").stdout
        assert json.loads(told)["case_no"] == "A-1"

    def test_takeover_with_keys(self, keyed, cli, tmp_path):
        cli("admin", "source", "add", "permits", "--key", "permits.key.pub", "--everything")
        cli("admin", "follower", "add", "board", "--key", "board.key.pub",
            "--audience", "full")
        gateway = Gateway(
            ",".join(broker.streams for broker in keyed), tmp_path / "logs" / "gateway.log",
            arguments=["--server-key", str(tmp_path / "broker.key.pub"),
                       "--key-file", str(tmp_path / "board.key")])
        gateway.start()
        try:
            def ready(broker):
                return gateway.get("/readyz")[2].decode() == f"ready, with {broker.streams}\n"
            assert ready(keyed[0])
            keyed[0].kill()
            wait.until(lambda: ready(keyed[1]), 20, "the other broker")
            cli.use(WAYBILL_KEY_FILE="permits.key")
            cli("publish", "--source", "permits", "--timeout", "30", "-", input=EVENT)
        finally:
            gateway.close()


class TestDocuments:
    def test_the_python_client_shows_its_key(self, proto, admitted, server, permits):
        modules = os.path.dirname(os.path.dirname(os.path.dirname(proto.event.__file__)))
        done = subprocess.run(
            ["/usr/bin/python3", paths.ROOT / "docs" / "examples" / "follow.py",
             admitted.endpoint, admitted.endpoint, server.public, permits.path],
            capture_output=True, text=True, timeout=60,
            env={**clean_environment(), "PYTHONPATH": modules})
        assert done.returncode == 0, done.stderr
        assert "PY-1" in done.stdout

    def test_the_live_feed_with_keys(self, proto, peer, server, permits, tmp_path):
        feed = peer.context.socket(zmq.XPUB)
        feed.linger = 0
        feed.curve_server = True
        feed.curve_secretkey = server.secret.encode()
        feed.zap_domain = b"tests"
        port = feed.bind_to_random_port("tcp://127.0.0.1")
        peer.admit(permits)
        text = (paths.ROOT / "docs" / "subscriber.md").read_text()
        source = re.findall(r"```python\n(.*?)```", text, re.S)[0]
        modules = os.path.dirname(os.path.dirname(os.path.dirname(proto.event.__file__)))
        script = Program(["/usr/bin/python3", "-c", source, f"tcp://127.0.0.1:{port}",
                          server.public, permits.path], tmp_path / "logs" / "live.log",
                         {**clean_environment(), "PYTHONPATH": modules})
        script.start()
        try:
            assert feed.poll(20_000) and feed.recv() == b"\x01case/"
            record = proto.Record(offset=1, source="tests")
            record.event.case_no = "A-1"
            feed.send_multipart([b"case/A-1\n", record.SerializeToString()])
            wait.until(lambda: script.text().startswith("1 A-1"), what="the event")
        finally:
            script.kill()
            feed.close()
