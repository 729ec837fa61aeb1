"""The golden bytes in proto/vectors mean to Google's library what stands beside them."""

import json

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from support.paths import ROOT

VECTORS = ROOT / "proto" / "vectors"
VALID = sorted(path.stem for path in VECTORS.glob("*.json"))
INVALID = sorted(path.stem for path in (VECTORS / "invalid").glob("*.json"))
# Errors of the encoding itself, which a library finds too; all others are rules of Waybill.
UNDECODABLE = {"event_cut_off", "event_not_utf8", "event_surrogate", "event_long_varint",
               "client_cut_off", "client_publish_cut_off"}


def load(name):
    data = bytes.fromhex((VECTORS / f"{name}.hex").read_text())
    return data, json.loads((VECTORS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", VALID)
def test_meaning(proto, name):
    data, meaning = load(name)
    message = getattr(proto, meaning["message"]).FromString(data)
    value = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert value == meaning["value"]


@pytest.mark.parametrize("name", VALID)
def test_bytes(proto, name):
    data, meaning = load(name)
    message = getattr(proto, meaning["message"])()
    json_format.ParseDict(meaning["value"], message)
    assert message.SerializeToString() + bytes.fromhex(meaning.get("unknown", "")) == data


@pytest.mark.parametrize("kind", ["ClientMessage", "BrokerMessage"])
def test_every_message_of_a_session_has_bytes(proto, kind):
    bodies = set()
    for name in VALID:
        data, meaning = load(name)
        if meaning["message"] == kind:
            bodies.add(getattr(proto, kind).FromString(data).WhichOneof("body"))
    assert bodies == {field.name for field in getattr(proto, kind).DESCRIPTOR.fields}


def test_every_field_of_an_event_has_bytes(proto):
    event = proto.Event.FromString(load("event")[0])
    alert = proto.Event.FromString(load("event_alert")[0]).alert
    for message in (event, event.handler, event.notices[0], event.special, event.extension,
                    event.decision, event.attributes[0], alert):
        unset = {field.name for field in message.DESCRIPTOR.fields}
        unset -= {field.name for field, _ in message.ListFields()} | {"date_only"}
        unset -= {"alert"} if message is event else set()  # no source sends one
        assert not unset, f"{message.DESCRIPTOR.name} without {unset}"


@pytest.mark.filterwarnings("ignore:Unexpected end-group tag")
@pytest.mark.parametrize("name", INVALID)
def test_invalid(proto, name):
    data, meaning = load(f"invalid/{name}")
    kind = getattr(proto, meaning["message"])
    if name in UNDECODABLE:
        with pytest.raises(DecodeError):
            kind.FromString(data)
    else:
        kind.FromString(data)


def test_errors_exist():
    table = (ROOT / "proto/waybill/errors.def").read_text()
    for name in INVALID:
        assert f", {load(f'invalid/{name}')[1]['error']}, " in table


def test_every_file_has_its_partner():
    for folder in (VECTORS, VECTORS / "invalid"):
        assert ({path.stem for path in folder.glob("*.hex")}
                == {path.stem for path in folder.glob("*.json")})
