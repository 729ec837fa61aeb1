"""Who may see what: the audiences of followers, tokens and their scope, the life of a case's code.

What an audience gets of an event is tested where that is made."""

import hashlib
import json
import math
import time

import pytest

from support import postgres as pg
from support import wait, wire
from support.registry import Registry

CUT_SECONDS = 1.0  # from the commit of the change to the end of what it opened
COVERS = {"FULL": ["FULL", "STAFF", "APPLICANT", "PUBLIC"], "STAFF": ["STAFF", "PUBLIC"],
          "APPLICANT": ["APPLICANT", "PUBLIC"], "PUBLIC": ["PUBLIC"]}


@pytest.fixture
def registry(broker, database):
    return Registry(database, broker)


@pytest.fixture
def session(broker, proto, registry):
    """session("staff", "public"): a streams session of a follower with these audiences, open. Its
    name alone says who it is: on loopback there are no keys."""
    made = []

    def make(*audiences):
        name = f"f{len(made)}"
        if audiences:
            registry.follower(name, audiences=audiences)
        made.append(wire.Follower(proto, broker.streams))
        made[-1].announced = made[-1].hello(name)
        return made[-1]
    yield make
    for one in made:
        one.close()


def names(proto, numbers):
    return [proto.Audience.Name(number).removeprefix("AUDIENCE_") for number in numbers]


def subscribed(session, **options):
    """The audience of a subscription, or the name of the refusal."""
    session.subscribe(**options)
    message = session.receive()
    kind = message.WhichOneof("body")
    if kind == "refusal":
        return message.refusal.name
    audience, = names(session.proto, [message.subscribed.audience])
    session.send(unsubscribe=session.proto.Unsubscribe(subscription=1))
    return audience


class TestAudiences:
    @pytest.mark.parametrize("held", COVERS)
    def test_a_follower_gets_what_it_has_and_what_that_covers(self, session, proto, held):
        follower = session(held.lower())
        assert names(proto, follower.announced.audiences) == COVERS[held]
        assert {wanted: subscribed(follower, now=True, audience=wanted) for wanted in COVERS} == {
            wanted: wanted if wanted in COVERS[held] else "AUDIENCE" for wanted in COVERS}
        assert subscribed(follower, now=True) == held

    def test_several_audiences_add_up(self, session, proto):
        follower = session("public", "applicant", "staff")
        assert names(proto, follower.announced.audiences) == ["STAFF", "APPLICANT", "PUBLIC"]
        assert subscribed(follower, now=True) == "STAFF"
        assert subscribed(follower, now=True, audience="APPLICANT") == "APPLICANT"
        assert subscribed(follower, now=True, audience="FULL") == "AUDIENCE"

    def test_a_name_that_nobody_registered_sees_everything_on_loopback(self, session, proto):
        follower = session()
        assert names(proto, follower.announced.audiences) == COVERS["FULL"]
        assert subscribed(follower, now=True) == "FULL"

    def test_a_refusal_names_what_may_be_had(self, session):
        follower = session("public")
        follower.subscribe(audience="STAFF")
        refusal = follower.refusal()
        assert refusal.subscription == 1
        assert "staff is asked for, and the session may have public" in refusal.detail
        assert "waybill admin follower set" in refusal.hint

    def test_a_number_that_is_no_audience(self, session, proto):
        follower = session()
        follower.send(subscribe=proto.Subscribe(subscription=1, now=True, audience=77))
        assert follower.refusal().name == "AUDIENCE"

    def test_the_public_does_not_ask_by_case(self, session):
        follower = session("public")
        assert subscribed(follower, case_nos=["A-1"]) == "AUDIENCE"
        assert subscribed(follower, parent_case_nos=["A-1"]) == "AUDIENCE"
        assert subscribed(follower, item_codes=["1"]) == "PUBLIC"

    def test_a_right_that_is_taken_away_ends_what_it_opened(self, session, registry, event,
                                                            publisher):
        follower = session("full", "public")
        for number, audience in enumerate(("FULL", "STAFF", "PUBLIC"), 1):
            follower.subscribe(number, now=True, credit=0, audience=audience)
            follower.expect("subscribed")
        changed = registry.write("UPDATE waybill.follower SET audiences = '{staff}'")
        refusal = follower.refusal()
        assert time.monotonic() - changed < CUT_SECONDS
        assert (refusal.name, refusal.subscription) == ("AUDIENCE", 1)
        assert "full is asked for, and the session may have staff, public" in refusal.detail
        registry.settle()
        assert subscribed(follower, number=9, now=True) == "STAFF"  # the session stays

    def test_a_narrower_disclosure_counts_for_what_is_in_memory(self, session, registry, publisher,
                                                                event):
        """Made ready under the old rule, an event is made again under the new one."""
        registry.item("31010", "full")
        registry.settle()
        publisher().publish(event(item_code="31010", handler=dict(name="王小芳", unit="窗口")))

        def handler():
            reader = session("applicant")
            reader.subscribe()
            reader.expect("subscribed")
            return reader.records(1)[0].event.handler
        assert handler().name == "王小芳"
        registry.write("UPDATE waybill.item SET disclosure = 'office'")
        registry.settle()
        assert (handler().name, handler().unit) == ("", "窗口")

    @pytest.mark.parametrize("field", ["agencies", "item_codes", "region_codes"])
    @pytest.mark.parametrize("audience", ["STAFF", "PUBLIC", "FULL"])
    def test_a_filter_finds_what_is_shown_alone(self, session, publisher, event, audience, field):
        """Else the digits of a number that is masked could be guessed one after the other."""
        number, name = "13800138000", {"agencies": "agency"}.get(field, field.removesuffix("s"))
        reader = session(audience.lower())
        publisher().publish(event("A-1", **{name: number}), event("A-2", **{name: "02"}))
        for count in range(1, len(number) + 1):
            reader.subscribe(count, **{field: [number[:count], "02"]})
            reader.expect("subscribed")
            seen = [record.offset for record in reader.expect("deliver").records]
            assert seen == ([1, 2] if audience == "FULL" else [2])

    def test_nobody_is_let_in_before_the_followers_were_read(self, make_broker, database, proto):
        """Else who is registered for less would be taken for one who is not."""
        make_broker().start().stop()
        pg.rows(database, "INSERT INTO waybill.follower (name, audiences)"
                          " VALUES ('board', '{public}')")
        pg.rows(database, "ALTER TABLE waybill.follower RENAME TO elsewhere")
        broker = make_broker()
        broker.start(ready=False)
        wait.until(lambda: "reading sources and keys: relation" in broker.text())
        follower = wire.Follower(proto, broker.streams)
        try:
            follower.send(hello=proto.Hello(version=1, session=1, source="board"))
            assert follower.refusal().name == "NOT_READY"
            assert wait.http_status(f"{broker.http}/readyz") == 503
            pg.rows(database, "ALTER TABLE waybill.elsewhere RENAME TO follower")
            broker.wait_ready()
            welcome = follower.hello("board")
            assert names(proto, welcome.audiences) == ["PUBLIC"]
        finally:
            follower.close()


class TestTokens:
    def test_a_token_sets_the_audience(self, session, registry):
        staff, public = registry.token("desk"), registry.token("hall", "public")
        follower = session()
        assert subscribed(follower, now=True, token=staff) == "STAFF"
        assert subscribed(follower, now=True, token=staff, audience="PUBLIC") == "PUBLIC"
        assert subscribed(follower, now=True, token=staff, audience="FULL") == "AUDIENCE"
        assert subscribed(follower, now=True, token=public) == "PUBLIC"
        assert subscribed(follower, now=True, token=public, audience="STAFF") == "AUDIENCE"

    def test_who_passes_a_token_on_needs_its_audience(self, session, registry):
        staff, public = registry.token("desk"), registry.token("hall", "public")
        gateway = session("applicant")
        assert subscribed(gateway, now=True, token=public) == "PUBLIC"
        gateway.subscribe(now=True, token=staff)
        refusal = gateway.refusal()
        assert refusal.name == "AUDIENCE"
        assert "the session that passes the token on" in refusal.detail

    @pytest.mark.parametrize("token, said", [
        ("wbt_never_made", "there is no such token"), ("x" * 129, "longer than 128"),
        ("wbt_test_old", "old expired at 20"), ("wbt_test_revoked", "revoked was revoked")])
    def test_one_that_is_not_valid(self, session, registry, token, said):
        registry.token("old", seconds=-1)
        registry.token("revoked")
        registry.write("UPDATE waybill.token SET enabled = false WHERE name = 'revoked'")
        registry.settle()
        follower = session()
        follower.subscribe(now=True, token=token)
        refusal = follower.refusal()
        assert refusal.name == "TOKEN" and said in refusal.detail
        assert token not in str(refusal)
        assert follower.case("A-1", token=token).name == "TOKEN"

    def test_its_scope_narrows_what_is_seen(self, session, registry, publisher, event):
        token = registry.token("desk", agencies=["新北区"], regions=["320411", "320412"],
                               items=["0001"])
        fits = {"agency": "新北区行政审批局", "region_code": "320412001", "item_code": "000115"}
        publisher().publish(event("A-1", **fits), event("A-2", **{**fits, "region_code": "320413"}),
                            event("A-3", **{**fits, "agency": "武进区"}),
                            event("A-4", **{**fits, "agency": ""}), event("A-5"),
                            event("A-6", **{**fits, "region_code": "320411"}),
                            event("A-7", **fits))
        follower = session()
        follower.subscribe(token=token)
        follower.expect("subscribed")
        assert [record.offset for record in follower.records(3)] == [1, 6, 7]
        follower.subscribe(2, token=token, region_codes=["320411"])
        follower.expect("subscribed")
        assert [record.offset for record in follower.records(1, number=2)] == [6]
        publisher("tax").publish(event("A-8"), event("A-9", **fits))
        assert [record.offset for record in follower.records(1)] == [9]

    @pytest.mark.parametrize("change", ["enabled = false", "expires_at = now()",
                                        "audience = 'public'"])
    def test_what_it_opened_ends_with_it(self, session, registry, change):
        token = registry.token("desk")
        follower = session()
        follower.subscribe(now=True, token=token)
        follower.expect("subscribed")
        changed = registry.write(f"UPDATE waybill.token SET {change}")
        refusal = follower.refusal()
        assert time.monotonic() - changed < CUT_SECONDS
        assert refusal.name == ("AUDIENCE" if "audience" in change else "TOKEN")
        assert refusal.subscription == 1

    def test_one_that_is_removed_ends_what_it_opened(self, session, registry):
        token = registry.token("desk")
        follower = session()
        follower.subscribe(now=True, token=token)
        follower.expect("subscribed")
        changed = registry.write("DELETE FROM waybill.token")
        assert follower.refusal().name == "TOKEN"
        assert time.monotonic() - changed < CUT_SECONDS

    def test_it_ends_what_it_opened_when_its_time_has_come(self, session, registry):
        token = registry.token("desk", seconds=3)
        follower = session()
        follower.subscribe(now=True, token=token)
        follower.expect("subscribed")
        expires = pg.value(registry.database,
                           "SELECT extract(epoch FROM expires_at) FROM waybill.token")
        refusal = follower.refusal()
        assert 0 <= time.time() - float(expires) < CUT_SECONDS
        assert refusal.name == "TOKEN" and "desk expired at" in refusal.detail

    def test_a_disabled_gateway_loses_what_it_passed_on(self, session, registry):
        token = registry.token("desk")
        gateway = session("staff")
        gateway.subscribe(now=True, token=token)
        gateway.expect("subscribed")
        changed = registry.write("UPDATE waybill.follower SET audiences = '{applicant}'")
        assert gateway.refusal().name == "AUDIENCE"
        assert time.monotonic() - changed < CUT_SECONDS

    def test_a_token_that_changes_its_scope_shows_the_new_one(self, session, registry, publisher,
                                                              event):
        token = registry.token("desk", regions=["1"])
        follower = session()
        follower.subscribe(now=True, token=token)
        follower.expect("subscribed")
        registry.write("UPDATE waybill.token SET regions = '{2}'")
        registry.settle()
        publisher().publish(event(region_code="1"), event(region_code="2"))
        assert follower.records(1)[0].offset == 2


@pytest.fixture
def cases(publisher, event):
    """Codes of the cases A-1, of region 320411, and A-2, of 320412."""
    receipts = publisher().publish(event("A-1", region_code="320411"),
                                   event("A-2", region_code="320412"), codes=True)
    return {f"A-{n}": receipt.code for n, receipt in enumerate(receipts, 1)}


class TestCases:
    @pytest.mark.parametrize("held, by_code, without", [
        ("full", True, "FULL"), ("applicant", True, None), ("staff", False, "STAFF"),
        ("public", False, None)])
    def test_who_may_ask(self, session, proto, cases, held, by_code, without):
        follower = session(held)
        answer = follower.case("A-1", cases["A-1"])
        assert hasattr(answer, "state") == by_code
        assert by_code or answer.name == "AUDIENCE"
        answer = follower.case("A-1")
        assert (names(proto, [answer.audience]) == [without] if without
                else answer.name == "AUDIENCE")

    def test_the_code_is_told_to_those_alone_who_see_everything(self, session, cases):
        assert session("full").case("A-1").code == cases["A-1"]
        assert session("staff").case("A-1").code == ""
        assert session("applicant").case("A-1", cases["A-1"]).code == ""

    @pytest.mark.parametrize("audience, code, said", [
        ("STAFF", False, "STAFF"), ("APPLICANT", False, "APPLICANT"), ("PUBLIC", False, None),
        ("APPLICANT", True, "APPLICANT"), ("STAFF", True, None), ("FULL", True, None)])
    def test_an_audience_is_asked_for(self, session, proto, cases, audience, code, said):
        answer = session("full").case("A-1", cases["A-1"] if code else "", audience=audience)
        assert (names(proto, [answer.audience]) == [said] if said else answer.name == "AUDIENCE")

    def test_a_token_opens_what_lies_in_its_scope(self, session, registry, cases, publisher, event):
        token = registry.token("desk", regions=["320411"])
        public = registry.token("hall", "public")
        gateway = session("staff", "applicant")
        assert gateway.case("A-1", token=token).state.case_no == "A-1"
        assert gateway.case("A-2", token=token).name == "CASE_NOT_FOUND"
        assert gateway.case("A-3", token=token).name == "CASE_NOT_FOUND"
        assert gateway.case("A-1", token=public).name == "AUDIENCE"
        assert gateway.case("A-1", cases["A-1"], token=token).name == "TOKEN"
        publisher("tax").publish(event("A-1", region_code="320412"))
        assert gateway.case("A-1", token=token).name == "CASE_NOT_FOUND"  # it has moved
        assert session("applicant").case("A-1", token=token).name == "AUDIENCE"


@pytest.fixture
def short_lived(make_broker, proto):
    """A broker where a case's code works for two seconds behind its end: a publisher and a
    follower of it."""
    broker = make_broker(arguments=["--code-life", "2s"]).start()
    publisher = wire.Publisher(proto, broker.ingest)
    follower = wire.Follower(proto, broker.streams)
    publisher.open()
    follower.hello()
    yield publisher, follower
    publisher.close()
    follower.close()


def code_of(database, case_no):
    """The code that a case would have, also one that there is not: as broker/cases/code.c derives
    it."""
    key = bytes(pg.value(database, "SELECT code_key FROM waybill.deployment"))
    digest = hashlib.blake2b(b"waybill case code 1\0" + case_no.encode(), digest_size=16, key=key)
    bits = int.from_bytes(digest.digest()[:8], "big")
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> 5 * n & 31] for n in range(12))


def is_over(follower, case_no, code):
    return follower.case(case_no, code).DESCRIPTOR.name == "Refusal"


def differ(some, others):
    """Whether times are told apart: by more than a millisecond, and not by chance (the rank sum
    lies 4.5 standard deviations off: once in 100,000 tests)."""
    gap = abs(sorted(some)[len(some) // 2] - sorted(others)[len(others) // 2])
    wins = sum((a > b) + (a == b) / 2 for a in some for b in others)
    n, m = len(some), len(others)
    return gap > 0.001 and abs(wins - n * m / 2) > 4.5 * math.sqrt(n * m * (n + m + 1) / 12)


class TestCodeLife:
    def test_a_code_stops_working_after_the_end(self, short_lived, event):
        publisher, follower = short_lived
        first, second = (receipt.code for receipt in publisher.publish(
            event("A-1", stage="WITHDRAWN"), event("A-2"), codes=True))
        assert follower.case("A-1", first).state.ended
        wait.until(lambda: is_over(follower, "A-1", first), what="the end of the code")
        assert follower.case("A-1", first).name == "CASE_NOT_FOUND"
        assert follower.case("A-2", second).state.case_no == "A-2"  # it has not ended
        assert follower.case("A-1").state.ended  # who sees everything needs no code
        publisher.publish(event("A-1", stage="RECEIVED"))  # it goes on
        assert not follower.case("A-1", first).state.ended

    def test_what_ended_long_ago_opens_when_it_is_reported_late(self, short_lived, event):
        publisher, follower = short_lived
        receipt, = publisher.publish(event("A-1", stage="WITHDRAWN", at_us=1_000_000), codes=True)
        assert follower.case("A-1", receipt.code).state.ended
        wait.until(lambda: is_over(follower, "A-1", receipt.code), what="the end of the code")

    @pytest.mark.takes_time
    def test_all_that_is_not_found_is_alike(self, short_lived, event, database):
        """Byte for byte, and in time: else one could find out which case numbers there are."""
        publisher, follower = short_lived
        publisher.publish(event("A-1"))
        code, *_ = (receipt.code for receipt in publisher.publish(
            *(event("A-2", stage="WITHDRAWN", step="x" * 200) for _ in range(900)), codes=True))
        wait.until(lambda: is_over(follower, "A-2", code), what="the end of the code")
        assert code_of(database, "A-2") == code.replace("-", "")
        asked = {"wrong code": ("A-1", "0000-0000-0000"), "expired": ("A-2", code),
                 "unknown": ("A-9", code_of(database, "A-9")),
                 "too long": ("A" * 200, code_of(database, "A" * 200))}
        took, said = {kind: [] for kind in asked}, set()
        for _ in range(40):
            for kind, (case_no, shown) in asked.items():
                began = time.monotonic()
                said.add(follower.case(case_no, shown).SerializeToString())
                took[kind].append(time.monotonic() - began)
        assert len(said) == 1
        for kind, times in took.items():
            assert not differ(times, took["wrong code"]), (kind, sorted(times)[20],
                                                           sorted(took["wrong code"])[20])


class TestCommands:
    """waybill tail and track, as somebody."""

    @pytest.fixture
    def token_file(self, cli, broker, database, publisher, event, tmp_path):
        """The name of the file with a token that waybill made, good for region 320411."""
        cli.use(WAYBILL_DATABASE=database)
        publisher().publish(event("A-1", region_code="320411", step="现场勘验"),
                            event("A-2", region_code="320412"))
        made = cli("admin", "token", "add", "desk", "--audience", "staff", "--region", "320411")
        (tmp_path / "desk.token").write_text(made.stdout)
        wait.until(lambda: cli("tail", "--from", "start", "--until-head", "--token-file",
                               "desk.token", status=None).returncode == 0, what="the token")
        return "desk.token"

    def tail(self, cli, *options, **how):
        done = cli("tail", "--from", "start", "--until-head", *options, **how)
        return [json.loads(line) for line in done.stdout.splitlines()] if not how else done.stderr

    def test_tail_as_the_public_sees_it(self, cli, token_file):
        first, second = self.tail(cli, "--audience", "public")
        assert (first["offset"], first["region_code"]) == (1, "320411")
        assert "case_no" not in first and "step" not in first

    def test_tail_in_the_name_of_a_token(self, cli, token_file, database):
        only, = self.tail(cli, "--token-file", token_file)
        assert (only["case_no"], only["step"]) == ("A-1", "现场勘验")
        said = self.tail(cli, "--token-file", token_file, "--audience", "full", status=1)
        assert "full is asked for, and the token may have staff, public" in said
        cli("admin", "token", "revoke", "desk")

        def refused():
            done = cli("tail", "--from", "start", "--until-head", "--token-file", token_file,
                       status=None)
            return done.returncode == 1 and "desk was revoked" in done.stderr
        wait.until(refused, what="the end of the token")

    def test_track_in_the_name_of_a_token(self, cli, token_file, database):
        def track(*words, **how):
            return cli("track", *words, "--json", **how)
        assert len(json.loads(track("A-1", "--token-file", token_file).stdout)["nodes"]) == 1
        assert "there is no such case" in track("A-2", "--token-file", token_file, status=1).stderr
        staff = json.loads(track("A-1", "--audience", "staff").stdout)
        assert staff["nodes"][0]["step"] == "现场勘验"
        said = track("A-1", "--audience", "public", status=1).stderr
        assert "public has no cases" in said
        said = track("A-1", "--code", "x", "--token-file", token_file, status=2).stderr
        assert "exclude one another" in said

    @pytest.mark.parametrize("content, said", [
        (None, "No such file or directory"), ("", "does not begin with a token"),
        ("\n", "does not begin with a token"), ("x" * 200, "does not begin with a token")])
    def test_a_file_without_a_token(self, cli, tmp_path, content, said):
        if content is not None:
            (tmp_path / "some.token").write_text(content)
        assert said in cli("tail", "--token-file", "some.token", status=2).stderr

    def test_an_audience_that_there_is_not(self, cli):
        assert "full, staff, applicant or public" in cli("track", "A-1", "--audience", "all",
                                                         status=2).stderr
