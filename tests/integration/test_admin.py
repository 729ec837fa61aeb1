"""waybill keygen and waybill admin: who may publish and follow, in a real database.

What the broker makes of it is tested where the broker is."""

import hashlib
import json
import os
import re
import stat
import subprocess

import psycopg2
import pytest
from support import paths
from support.postgres import rows, value


SCHEMA = paths.ROOT / "broker" / "journal" / "schema"


@pytest.fixture
def admin(cli, database):
    """admin("source", "list"): `waybill admin …` on this test's database."""
    cli.use(WAYBILL_DATABASE=database)
    return lambda *words, **options: cli("admin", *words, **options)


@pytest.fixture
def keys(cli):
    """keys(name): the public key of a new pair in the files name and name.pub."""
    return lambda name: cli("keygen", "--out", name).stdout.strip()


def listed(admin, kind):
    return {entry["name"]: entry for entry in
            map(json.loads, admin(kind, "list", "--json").stdout.splitlines())}


def audit(admin, *options):
    return [json.loads(line) for line in admin("audit", "--json", *options).stdout.splitlines()]


# Keys.

def test_keygen_writes_a_pair_and_prints_the_public_key(cli, tmp_path):
    done = cli("keygen")
    key = done.stdout.strip()
    secret, public = tmp_path / "waybill.key", tmp_path / "waybill.key.pub"
    assert len(key) == 40
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert f"public {key}\n" in secret.read_text() and "secret " in secret.read_text()
    assert f"public {key}\n" in public.read_text() and "secret" not in public.read_text()
    assert secret.read_text().splitlines()[1].split()[1] == key


def test_keygen_as_json(cli):
    made = json.loads(cli("keygen", "--out", "gateway.key", "--json").stdout)
    assert set(made) == {"public_key", "key_file", "public_file"}
    assert (made["key_file"], made["public_file"]) == ("gateway.key", "gateway.key.pub")


@pytest.mark.parametrize("there", ["waybill.key", "waybill.key.pub"])
def test_keygen_never_overwrites(cli, tmp_path, there):
    (tmp_path / there).write_text("precious")
    said = cli("keygen", status=1).stderr
    assert there in said and "no key is overwritten" in said
    assert (tmp_path / there).read_text() == "precious"
    assert [path.name for path in tmp_path.glob("waybill.key*")] == [there]


def test_keygen_says_why_it_cannot_write(cli):
    assert "No such file or directory" in cli("keygen", "--out", "nowhere/key", status=1).stderr


# Sources.

def test_a_source_with_all_that_it_may_have(admin, keys, database):
    key = keys("permits")
    said = admin("source", "add", "permits", "--key", "permits.pub", "--agency", "新北区",
                 "--agency", '"a\\b", {c}', "--region", "3204", "--item", "I-", "--case", "A-",
                 "--rate", 100, "--event-bytes", 4096).stdout
    assert "permits" in said and "新北区*" in said and "100 events/s, 4096 bytes" in said
    assert key[:8] in said and key not in said
    source = listed(admin, "source")["permits"]
    assert source["keys"] == [key] and source["enabled"] and source["registered"]
    assert source["agencies"] == ["新北区", '"a\\b", {c}']
    assert (source["regions"], source["items"], source["cases"]) == (["3204"], ["I-"], ["A-"])
    assert (source["rate_events"], source["event_bytes"]) == (100, 4096)
    assert rows(database, "SELECT agencies, rate_events FROM waybill.source") == [
        (["新北区", '"a\\b", {c}'], 100)]
    entry, = audit(admin)
    assert (entry["actor"], entry["action"], entry["subject"]) == (
        "waybill", "source add", "permits")
    assert key in entry["detail"] and "agency 新北区" in entry["detail"]
    assert "100 events/s" in entry["detail"]


def test_what_a_source_may_publish_has_to_be_said(admin, keys):
    keys("permits")
    said = admin("source", "add", "permits", "--key", "permits.pub", status=2).stderr
    assert "--everything" in said and "--agency" in said
    said = admin("source", "add", "permits", "--everything", "--case", "A", status=2).stderr
    assert "exclude one another" in said
    admin("source", "list", status=1)  # nothing was done, not even the schema


@pytest.mark.parametrize("words, said", [
    (["source", "add", "Permits", "--everything"], '"Permits"'),
    (["source", "add", "permits", "--everything", "--key", "short"], "'short' is neither"),
    (["source", "add", "permits", "--region", "32x"], '"32x"'),
    (["source", "add", "permits", "--agency", "a\nb"], "agency"),
    (["source", "add", "permits", "--case", "x" * 129], "case_no"),
    (["source", "add", "permits", "--agency", ""], "leave the option out"),
    (["source", "add", "permits", "--everything", "--rate", "-1"], "'-1'"),
    (["source", "add", "permits", "--everything", "--rate", "2147483648"], "2147483647"),
    (["source", "add", "permits", "--everything", "--event-bytes", "65537"], "65536"),
    (["source", "add", "--everything"], "name a source"),
    (["source", "add", "a", "b", "--everything"], "'b' is one too many"),
    (["source", "set", "permits"], "say what to change"),
    (["source", "rotate", "permits"], "--key"),
    (["source", "remove", "permits"], "'remove'"),
    (["follower", "add", "gateway", "--audience", "full"], "--key"),
    (["follower", "add", "gateway", "--key", "k" * 40], "say what gateway may see: --audience"),
    (["follower", "add", "gateway", "--audience", "staff,all"], "there is no audience 'all'"),
    (["follower", "set", "gateway"], "say what gateway may see: --audience"),
    (["token", "add", "desk"], "--audience staff or public"),
    (["token", "add", "desk", "--audience", "full"], "for staff or for public"),
    (["token", "add", "desk", "--audience", "staff", "--expires", "soon"], "'soon'"),
    (["token", "add", "desk", "--audience", "staff", "--expires", "3651d"], "at most 3650d"),
    (["token", "add", "desk", "--audience", "staff", "--expires", "0"], "--expires '0'"),
    (["token", "add", "desk", "--audience", "staff", "--region", ""], "leave the option out"),
    (["token", "add", "desk", "--audience", "staff", "--region", "32x"], '"32x"'),
    (["token", "add", "Desk", "--audience", "staff"], '"Desk"'),
    (["item", "set", "3204"], "--disclosure"),
    (["item", "set", " 3204", "--disclosure", "full"], "item_code"),
    (["item", "set", "", "--disclosure", "full"], "item_code"),
    (["verify", "--findings", "many"], "'many'"),
    (["audit", "--limit", "0"], "'0'"),
    (["source"], "say what to do"),
    ([], "say what to do"),
])
def test_a_wrong_command_line(admin, words, said):
    done = admin(*words, status=2)
    assert said in done.stderr and done.stdout == ""


def test_a_key_belongs_to_one_alone(admin, keys, database):
    keys("one"), keys("two")
    admin("source", "add", "permits", "--key", "one.pub", "--everything")
    admin("follower", "add", "gateway", "--key", "two.pub", "--audience", "full")
    said = admin("source", "add", "fire", "--key", "one.pub", "--everything", status=1).stderr
    assert "belongs to the source permits" in said
    said = admin("source", "add", "fire", "--key", "two.pub", "--everything", status=1).stderr
    assert "belongs to the follower gateway" in said
    said = admin("follower", "rotate", "gateway", "--key", "one.pub", status=1).stderr
    assert "belongs to the source permits" in said
    assert list(listed(admin, "source")) == ["permits"]
    assert value(database, "SELECT count(*) FROM waybill.audit") == 2  # nothing half done


def test_a_source_that_is_there(admin):
    admin("source", "add", "permits", "--everything")
    said = admin("source", "add", "permits", "--everything", status=1).stderr
    assert "permits is registered already" in said and "source set" in said


def test_without_a_key_it_is_said_where_it_can_publish(admin):
    done = admin("source", "add", "permits", "--everything")
    assert "on the broker's own machine only" in done.stderr and "none" in done.stdout


def test_what_spoke_on_loopback_is_registered_with_its_history(admin, database):
    admin("source", "add", "other", "--everything")
    rows(database, "INSERT INTO waybill.source (name) VALUES ('permits')")
    number = value(database, "SELECT id FROM waybill.source WHERE name = 'permits'")
    assert "loopback" in admin("source", "list").stdout
    said = admin("source", "set", "permits", "--rate", 5, status=1).stderr
    assert "not registered" in said and "source add" in said
    admin("source", "disable", "permits")
    admin("source", "add", "permits", "--case", "A-")
    assert listed(admin, "source")["permits"]["enabled"]
    assert value(database, "SELECT id FROM waybill.source WHERE name = 'permits'") == number


def test_set_changes_what_is_named_and_keeps_the_rest(admin, keys):
    key = keys("permits")
    admin("source", "add", "permits", "--key", "permits.pub", "--agency", "新北区",
          "--region", "3204", "--rate", 100)
    admin("source", "set", "permits", "--region", "320411", "--region", "320412")
    source = listed(admin, "source")["permits"]
    assert source["regions"] == ["320411", "320412"] and source["agencies"] == ["新北区"]
    assert source["rate_events"] == 100 and source["keys"] == [key]
    admin("source", "set", "permits", "--agency", "", "--rate", 0)
    source = listed(admin, "source")["permits"]
    assert source["agencies"] == [] and source["regions"] == ["320411", "320412"]
    assert source["rate_events"] == 0
    admin("source", "set", "permits", "--everything")
    assert listed(admin, "source")["permits"]["regions"] == []
    entry = audit(admin)[-1]
    assert entry["action"] == "source set"
    assert entry["detail"] == "was: region 320411 or 320412; is: everything"


def test_a_key_is_changed_without_a_stop(admin, keys):
    old, new = keys("old"), keys("new")
    keys("third")
    admin("source", "add", "permits", "--key", "old.pub", "--everything")
    said = admin("source", "rotate", "permits", "--done", status=1).stderr
    assert "one key" in said and "source disable permits" in said
    admin("source", "rotate", "permits", "--key", new)
    assert listed(admin, "source")["permits"]["keys"] == [old, new]
    said = admin("source", "rotate", "permits", "--key", "third.pub", status=1).stderr
    assert "two keys already" in said and "source rotate permits --done" in said
    admin("source", "rotate", "permits", "--done")
    assert listed(admin, "source")["permits"]["keys"] == [new]
    admin("source", "rotate", "permits", "--key", "third.pub")
    admin("source", "rotate", "permits", "--done")
    assert new not in listed(admin, "source")["permits"]["keys"]
    assert [entry["action"] for entry in audit(admin)] == ["source add"] + 4 * ["source rotate"]


def test_disabled_and_enabled(admin):
    admin("source", "add", "permits", "--everything")
    assert "disabled" in admin("source", "disable", "permits").stdout
    assert not listed(admin, "source")["permits"]["enabled"]
    admin("source", "enable", "permits")
    assert listed(admin, "source")["permits"]["enabled"]
    assert "no source \"nobody\"" in admin("source", "enable", "nobody", status=1).stderr
    assert [entry["action"] for entry in audit(admin, "--limit", 2)] == [
        "source disable", "source enable"]


def test_every_change_moves_the_revision_that_brokers_look_at(admin, keys, database):
    keys("a"), keys("b"), keys("c")

    def revision():
        return value(database, "SELECT revision FROM waybill.access")

    admin("source", "add", "permits", "--everything", "--key", "a.pub")
    for words in (["source", "set", "permits", "--rate", 1], ["source", "disable", "permits"],
                  ["source", "rotate", "permits", "--key", "b.pub"],
                  ["source", "rotate", "permits", "--done"],
                  ["follower", "add", "gateway", "--key", "c.pub", "--audience", "staff"],
                  ["follower", "set", "gateway", "--audience", "public"],
                  ["follower", "disable", "gateway"],
                  ["token", "add", "desk", "--audience", "staff"], ["token", "revoke", "desk"],
                  ["token", "remove", "desk"], ["item", "set", "3204", "--disclosure", "office"],
                  ["item", "remove", "3204"]):
        before = revision()
        admin(*words)
        assert revision() > before, words


# Followers.

def test_followers(admin, keys):
    key, new = keys("gateway"), keys("new")
    admin("follower", "add", "gateway", "--key", "gateway.pub", "--no-live",
          "--audience", "public,applicant")
    gateway = listed(admin, "follower")["gateway"]
    assert gateway["keys"] == [key] and gateway["audiences"] == ["public", "applicant"]
    assert "streams" in admin("follower", "list").stdout
    said = admin("follower", "add", "gateway", "--key", "new.pub", "--audience", "full",
                 status=1).stderr
    assert "follower gateway already" in said and "follower set" in said
    admin("follower", "rotate", "gateway", "--key", "new.pub")
    admin("follower", "rotate", "gateway", "--done")
    admin("follower", "disable", "gateway")
    gateway = listed(admin, "follower")["gateway"]
    assert gateway["keys"] == [new] and not gateway["enabled"]
    assert gateway["streams"] and not gateway["live"]
    admin("follower", "enable", "gateway")
    assert listed(admin, "follower")["gateway"]["enabled"]
    said = admin("follower", "add", "d", "--key", key, "--no-live", "--no-streams",
                 "--audience", "full", status=2).stderr
    assert "nothing to follow" in said
    assert {entry["subject"] for entry in audit(admin, "--subject", "gateway")} == {"gateway"}


def test_what_a_follower_may_see_is_changed(admin, keys):
    keys("gateway")
    shown = admin("follower", "add", "gateway", "--key", "gateway.pub", "--audience", "staff",
                  "--audience", "public,staff").stdout
    assert "staff, public" in shown
    shown = admin("follower", "set", "gateway", "--audience", "applicant").stdout
    assert "applicant" in shown and "staff" not in shown
    entry = audit(admin)[-1]
    assert (entry["action"], entry["subject"]) == ("follower set", "gateway")
    assert entry["detail"] == ("was: streams and live feed; audience staff, public;"
                               " is: streams and live feed; audience applicant")
    said = admin("follower", "set", "nobody", "--audience", "staff", status=1).stderr
    assert 'no follower "nobody"' in said


def test_followers_from_before_audiences_keep_what_they_saw(admin, database):
    rows(database, "CREATE SCHEMA waybill; CREATE TABLE waybill.schema_version (version integer"
                   " PRIMARY KEY, name text NOT NULL, applied_at timestamptz DEFAULT now())")
    for version, path in enumerate(sorted(SCHEMA.glob("*.sql"))[:4], 1):
        rows(database, path.read_text())
        rows(database, "INSERT INTO waybill.schema_version VALUES (%s, %s)", version, path.stem)
    rows(database, "INSERT INTO waybill.follower (name) VALUES ('gateway')")
    admin("source", "add", "permits", "--everything")  # brings the schema up to date
    assert listed(admin, "follower")["gateway"]["audiences"] == ["full"]
    with pytest.raises(psycopg2.errors.NotNullViolation):
        rows(database, "INSERT INTO waybill.follower (name) VALUES ('newcomer')")


# Tokens.

def test_a_token_is_shown_once_and_kept_as_a_digest(admin, database):
    done = admin("token", "add", "desk", "--audience", "staff", "--agency", "新北区",
                 "--agency", "武进区", "--region", "3204", "--item", "I-", "--expires", "12h")
    token = done.stdout.strip()
    assert re.fullmatch(r"wbt_[A-Za-z0-9_-]{43}", token)
    assert "desk is good for 12h" in done.stderr and token not in done.stderr
    digest = hashlib.sha256(token.encode()).digest()
    stored, = rows(database, "SELECT digest, regions, extract(epoch FROM expires_at - since)"
                             " FROM waybill.token")
    assert (bytes(stored[0]), stored[1], int(stored[2])) == (digest, ["3204"], 12 * 3600)
    dump = str(rows(database, "SELECT * FROM waybill.token, waybill.audit"))
    assert token not in dump and token[4:] not in dump
    entry, = audit(admin)
    assert (entry["action"], entry["subject"]) == ("token add", "desk")
    said = "staff; agency 新北区 or 武进区; region 3204; item I-; until "
    assert entry["detail"].startswith(said)
    shown = listed(admin, "token")["desk"]
    assert shown["agencies"] == ["新北区", "武进区"] and shown["state"] == "valid"
    assert (shown["audience"], shown["items"]) == ("staff", ["I-"]) and shown["expires"]
    assert "agency 新北区* or 武进区*, region 3204*" in admin("token", "list").stdout


def test_two_tokens_differ_and_a_name_is_taken_once(admin):
    made = [json.loads(admin("token", "add", name, "--audience", "public", "--json").stdout)
            for name in ("one", "two")]
    assert [entry["name"] for entry in made] == ["one", "two"]
    assert made[0]["token"] != made[1]["token"]
    done = admin("token", "add", "one", "--audience", "staff", status=1)
    assert "there is a token one already" in done.stderr and done.stdout == ""
    assert listed(admin, "token")["one"]["audience"] == "public"


def test_tokens_are_revoked_expire_and_are_removed(admin, database):
    for name in ("desk", "hall", "old"):
        admin("token", "add", name, "--audience", "staff")
    assert "revoked" in admin("token", "revoke", "desk").stdout
    rows(database, "UPDATE waybill.token SET expires_at = now() WHERE name = 'old'")
    assert {name: token["state"] for name, token in listed(admin, "token").items()} == {
        "desk": "revoked", "hall": "valid", "old": "expired"}
    assert "expired" in admin("token", "list").stdout
    assert admin("token", "remove", "hall").stdout == ""
    assert set(listed(admin, "token")) == {"desk", "old"}
    admin("token", "add", "hall", "--audience", "public")  # the name is free again
    for action in ("revoke", "remove"):
        assert 'no token "nobody"' in admin("token", action, "nobody", status=1).stderr
    assert [entry["action"] for entry in audit(admin, "--limit", "3")] == [
        "token revoke", "token remove", "token add"]


def test_there_are_not_more_tokens_than_a_broker_holds(admin, database):
    admin("token", "list", status=1)  # there is no schema yet
    admin("item", "set", "1", "--disclosure", "full")
    rows(database, "INSERT INTO waybill.token (name, digest, audience, expires_at) SELECT"
                   " 't' || n, sha256(n::text::bytea), 'public', now()"
                   " FROM generate_series(1, 10000) n")
    said = admin("token", "add", "one-more", "--audience", "public", status=1).stderr
    assert "10000 tokens" in said and "token remove" in said


# Items.

def test_items_say_what_is_disclosed(admin):
    admin("item", "set", "3204", "--disclosure", "office")
    shown = admin("item", "set", "320411", "--disclosure", "number").stdout
    assert "320411*" in shown and "number" in shown
    admin("item", "set", "3204", "--disclosure", "full")
    listing = [json.loads(line) for line in admin("item", "list", "--json").stdout.splitlines()]
    assert listing == [{"code": "3204", "disclosure": "full"},
                       {"code": "320411", "disclosure": "number"}]
    assert admin("item", "remove", "3204").stdout == ""
    assert "3204*" not in admin("item", "list").stdout
    assert 'no rule for the item "3204"' in admin("item", "remove", "3204", status=1).stderr
    said = admin("item", "set", "3204", "--disclosure", "name", status=1).stderr
    assert 'no disclosure "name"' in said and "full, title, number or office" in said
    assert [(entry["action"], entry["subject"], entry["detail"]) for entry in audit(admin)] == [
        ("item set", "3204", "was: none; is: office"),
        ("item set", "320411", "was: none; is: number"),
        ("item set", "3204", "was: office; is: full"),
        ("item remove", "3204", "was: full")]


# The database.

def test_the_database_is_named_or_said_to_be_missing(cli, postgres):
    said = cli("admin", "source", "list", "--database", "host=127.0.0.1 port=1", status=1).stderr
    assert "WAYBILL_DATABASE" in said and "refused" in said
    said = cli("admin", "verify", "--database", postgres.conninfo("postgres"), status=1).stderr
    assert "no Waybill in the database 'postgres'" in said
    assert value(postgres.conninfo("postgres"), "SELECT to_regnamespace('waybill')") is None


def test_a_schema_of_another_version(admin, database):
    admin("source", "add", "permits", "--everything")
    newest = value(database, "SELECT max(version) FROM waybill.schema_version")
    rows(database, "INSERT INTO waybill.schema_version VALUES (%s, 'later')", newest + 1)
    said = admin("source", "list", status=1).stderr
    assert f"version {newest + 1}" in said and f"knows {newest}" in said
    rows(database, "DELETE FROM waybill.schema_version WHERE version >= %s", newest)
    said = admin("source", "list", status=1).stderr
    assert f"version {newest - 1}" in said and f"needs {newest}" in said


def test_an_old_schema_is_left_to_the_broker_that_writes(admin, database):
    connection = psycopg2.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('waybill writer', 0))")
        said = admin("source", "add", "permits", "--everything", status=1).stderr
    connection.close()
    assert "a broker is writing" in said
    assert value(database, "SELECT to_regnamespace('waybill')") is None
    admin("source", "add", "permits", "--everything")


def test_a_role_without_the_right_is_told_which_one_has_it(admin, database, postgres):
    admin("source", "add", "permits", "--everything")
    rows(database, "CREATE ROLE guest LOGIN")
    rows(database, "GRANT USAGE ON SCHEMA waybill TO guest")
    rows(database, "GRANT SELECT ON ALL TABLES IN SCHEMA waybill TO guest")
    try:
        guest = database.replace("user=waybill", "user=guest")
        said = admin("source", "disable", "permits", "--database", guest, status=1).stderr
        assert "permission denied" in said and "the database role that waybilld uses" in said
        assert "permits" in admin("source", "list", "--database", guest).stdout
        admin("verify", "--database", guest)
    finally:
        rows(database, "DROP OWNED BY guest")
        rows(database, "DROP ROLE guest")


def test_two_administrators_at_once(admin, keys, database, cli):
    keys("key")
    admin("source", "add", "first", "--everything")
    running = [subprocess.Popen(
        [paths.program("waybill"), "admin", "source", "add", f"s{i}", "--everything", "--key",
         "key.pub"], cwd=cli.directory, env=cli.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True) for i in range(4)]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert sorted(process.returncode for process in running) == [0, 1, 1, 1], said
    assert sum("belongs to the source" in text for text in said) == 3


def test_a_closed_output_is_told_by_the_status(admin, cli):
    admin("source", "add", "permits", "--everything")
    with open("/dev/full", "w") as full:
        done = subprocess.run([paths.program("waybill"), "admin", "source", "list"], stdout=full,
                              stderr=subprocess.PIPE, text=True, env=cli.environment)
    assert done.returncode == 1 and os.strerror(28) in done.stderr


def test_the_leaves(admin, database):
    admin("source", "add", "permits", "--everything")
    assert admin("partitions", "--json").stdout == ""
    rows(database, "SELECT waybill.add_leaf(1, '2026-01-01', '2026-02-01', 1)")
    rows(database, "SELECT waybill.add_leaf(2, '2026-02-01', '2100-01-01', 11)")
    rows(database, "UPDATE waybill.head SET last_offset = 12")
    rows(database, "UPDATE waybill.partition SET sealed_at = now() WHERE number = 1")
    first, second = map(json.loads, admin("partitions", "--json").stdout.splitlines())
    assert (first["name"], first["first_offset"], first["events"]) == ("event_1", 1, 10)
    assert (second["name"], second["first_offset"], second["events"]) == ("event_2", 11, 2)
    assert first["bytes"] > 0 and first["sealed"] and not second["sealed"]
    text = admin("partitions").stdout
    assert "frozen" in text and "open" in text and "KiB" in text


# The document.

OPERATIONS = (paths.ROOT / "docs" / "operations.md").read_text()


def test_the_commands_of_the_document(cli, database):
    """Run as they stand there, one after the other."""
    cli.use(WAYBILL_DATABASE=database, PATH=f"{paths.BUILD / 'bin'}:{os.environ['PATH']}")
    for title in ("### Commands", "## Proving that the log is sound"):
        block = re.search(r"```sh\n(.*?)```", OPERATIONS[OPERATIONS.index(title):], re.S).group(1)
        done = subprocess.run(["bash", "-euc", block], cwd=cli.directory, env=cli.environment,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert rows(database, "SELECT name, regions, cases, rate_events, event_bytes"
                " FROM waybill.source") == [("permits", ["3204"], ["320411-"], 200, 8192)]


def test_the_checks_are_those_of_the_document(admin):
    admin("source", "add", "permits", "--everything")
    checks = json.loads(admin("verify", "--json").stdout)["checks"]
    documented = re.findall(r"^\| `(\w+)` \| (.*) \|$",
                            OPERATIONS[OPERATIONS.index("| check | proves |"):].split("\n\n")[0],
                            re.M)
    assert documented == [(check["name"], check["proves"]) for check in checks]
