"""Key files as `waybill keygen` writes them, and a peer that admits some keys: a ROUTER with CURVE
and ZAP, which speaks as much of PROTOCOL.md as a client needs to see that it was let in."""

import threading

import zmq
import zmq.auth.thread


class Keys:
    """A pair in a file of its own, and its public half beside it."""

    def __init__(self, directory, name):
        self.public, self.secret = (key.decode() for key in zmq.curve_keypair())
        self.path = directory / f"{name}.key"
        self.public_path = directory / f"{name}.key.pub"
        self.path.touch(mode=0o600)
        self.path.write_text(f"# {name}\npublic {self.public}\nsecret {self.secret}\n")
        self.public_path.write_text(f"# {name}\npublic {self.public}\n")


class Peer:
    """Its log is the list of events that were published; followers get them and no later ones."""

    def __init__(self, proto, keys):
        self.proto = proto
        self.admitted = set()
        self.log = []
        self.context = zmq.Context()
        self.authenticator = zmq.auth.thread.ThreadAuthenticator(self.context)
        self.authenticator.start()
        self.authenticator.configure_curve_callback(domain="tests", credentials_provider=self)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.router.curve_server = True
        self.router.curve_secretkey = keys.secret.encode()
        self.router.zap_domain = b"tests"
        port = self.router.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def admit(self, keys):
        self.admitted.add(keys.public.encode())

    def callback(self, domain, key):
        """Asked by the authenticator."""
        return key in self.admitted  # as Z85

    def _serve(self):
        while not self.ending.is_set():
            if self.router.poll(50):
                peer, data = self.router.recv_multipart()
                self._answer(peer, self.proto.ClientMessage.FromString(data))

    def _say(self, peer, **body):
        self.router.send_multipart([peer, self.proto.BrokerMessage(**body).SerializeToString()])

    def _answer(self, peer, message):
        proto, kind = self.proto, message.WhichOneof("body")
        if kind == "hello":
            limits = proto.Limits(window_events=1000, batch_events=100, message_bytes=1 << 20,
                                  credit_events=1000, ping_interval_ms=1000)
            self._say(peer, welcome=proto.Welcome(session=message.hello.session, server="tests",
                                                  limits=limits))
        elif kind == "ping":
            self._say(peer, pong=proto.Pong(token=message.ping.token))
        elif kind == "publish":
            first = len(self.log) + 1
            self.log.extend(message.publish.events)
            receipts = [proto.Receipt(offset=first + n)
                        for n in range(len(message.publish.events))]
            self._say(peer, acknowledgement=proto.Acknowledgement(
                batch=message.publish.batch, receipts=receipts))
        elif kind == "subscribe":
            number, after = message.subscribe.subscription, message.subscribe.after_offset
            self._say(peer, subscribed=proto.Subscribed(
                subscription=number, after_offset=after, head_offset=len(self.log)))
            records = [proto.Record(offset=n, source="tests", event=event)
                       for n, event in enumerate(self.log, 1) if n > after]
            self._say(peer, deliver=proto.Deliver(
                subscription=number, through_offset=len(self.log), records=records))

    def close(self):
        self.ending.set()
        self.thread.join()
        self.authenticator.stop()
        self.router.close()
        self.context.term()
