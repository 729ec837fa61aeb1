"""The shortest way through everything: published, committed, followed, looked up. It is also run
under valgrind (tests/valgrind/run), so it stays small and is patient."""

import json


def test_an_event_goes_the_whole_way(broker, cli):
    event = {"event_id": "e1", "case_no": "A-1", "stage": "RECEIVED",
             "occurred_at": "2026-03-02T09:00:00+08:00", "step": "收件",
             "handler": {"name": "张三"}, "notices": [{"title": "请补充材料"}]}
    done = cli("publish", "--source", "permits", "--codes", "--json", "-",
               input=json.dumps(event))
    code = json.loads(done.stdout)["code"]
    followed = json.loads(cli("tail", "--from", "start", "--count", "1", "--json").stdout)
    assert {name: followed[name] for name in event if name != "occurred_at"} == {
        name: value for name, value in event.items() if name not in ("occurred_at", "notices")
    } | {"notices": [{"kind": "information", "title": "请补充材料"}]}
    case = json.loads(cli("track", "A-1", "--code", code, "--json").stdout)
    assert case["case"]["stage"] == "RECEIVED" and len(case["nodes"]) == 1
