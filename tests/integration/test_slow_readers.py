"""Readers that do not take what they are delivered: what they hold is bounded, and others go on."""

import secrets

from support import wait, wire

POOL, EVENTS, NOTICES = 4 * 2**20, 1000, 8  # of 14 KB: 14 MB


def test_those_who_do_not_read_share_a_bound_and_others_go_on(make_broker, proto, event):
    broker = make_broker(arguments=["--outstanding-bytes", POOL, "--ping-interval", "60s"]).start()
    writer = wire.Publisher(proto, broker.ingest)
    writer.open()
    notices = [proto.Notice(text=secrets.token_hex(900)) for _ in range(NOTICES)]
    for _ in range(EVENTS // 50):
        writer.publish(*[event(notices=notices) for _ in range(50)])
    stuck = [wire.Follower(proto, broker.streams) for _ in range(6)]
    for reader in stuck:
        reader.hello()
        reader.subscribe(credit=8192)
        reader.expect("subscribed")
    held = lambda: broker.metric("waybill_outstanding_bytes")  # noqa: E731
    wait.until(lambda: held() > POOL / 2, 20, "the stuck to hold what they may")

    healthy = wire.Follower(proto, broker.streams)
    healthy.hello()
    healthy.subscribe(credit=16)
    healthy.expect("subscribed")
    offsets, most = [], 0
    while len(offsets) < EVENTS:
        got = [record.offset for record in healthy.records(1)]
        offsets += got
        healthy.send(credit=proto.Credit(subscription=1, events=len(got)))
        most = max(most, held())
    assert offsets == list(range(1, EVENTS + 1))
    assert most <= POOL + 8 * 2 * 65536  # and a Deliver each
    for channel in (healthy, *stuck):
        channel.send(bye=proto.Bye())
    wait.until(lambda: held() == 0, 20, "the sessions' end to give back what they held")
    for channel in (writer, healthy, *stuck):
        channel.close()
