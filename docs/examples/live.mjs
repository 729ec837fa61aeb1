#!/usr/bin/env node
// live.mjs LIVE STREAMS AFTER [SERVER_KEY KEY_FILE]: prints the events behind offset AFTER as they
// come on the live feed, and fetches what was missed there from the streams endpoint.
import {randomInt} from "node:crypto";
import {readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import protobuf from "protobufjs";
import {Dealer, Subscriber} from "zeromq";

const [liveEndpoint, streams, start, ...keys] = process.argv.slice(2);

// The .proto files name one another from this folder.
const proto = process.env.WAYBILL_PROTO ?? fileURLToPath(new URL("../../proto/", import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (_, name) => (name.startsWith(proto) ? name : proto + "/" + name);
root.loadSync("waybill/v1/session.proto");
const [ClientMessage, BrokerMessage, LiveBatch] = ["ClientMessage", "BrokerMessage", "LiveBatch"]
  .map((name) => root.lookupType("waybill.v1." + name));

const encode = (body) => ClientMessage.encode(ClientMessage.fromObject(body)).finish();
// Offsets fit into a Number up to 2^53.
const decode = (type, data) =>
  type.toObject(type.decode(data), {longs: Number, enums: String, oneofs: true});

function connect(Kind, endpoint) {
  const socket = new Kind({linger: 0});
  if (keys.length) {
    const lines = readFileSync(keys[1], "utf8").split("\n").map((line) => line.split(" "));
    const pair = Object.fromEntries(lines);
    socket.curveServerKey = keys[0];
    socket.curvePublicKey = pair.public;
    socket.curveSecretKey = pair.secret;
  }
  socket.connect(endpoint);
  return socket;
}

async function answer(socket, wanted) {
  for await (const [data] of socket) {
    const message = decode(BrokerMessage, data);
    if (message.body === "refusal")
      throw new Error(`${message.refusal.message}: ${message.refusal.detail}`);
    if (message.body === wanted) return message[wanted];
  }
}

// The events between two offsets, from the log.
async function* fetchMissed(after, through) {
  const socket = connect(Dealer, streams);
  socket.receiveTimeout = 10000;
  await socket.send(encode({hello: {version: 1, session: randomInt(1, 2 ** 48 - 1)}}));
  await answer(socket, "welcome");
  await socket.send(encode({subscribe: {subscription: 1, afterOffset: after, credit: 500}}));
  while (after < through) {
    const {records = []} = await answer(socket, "deliver");
    yield* records.filter((record) => record.offset <= through);
    after = records.at(-1)?.offset ?? after;
    await socket.send(encode({credit: {subscription: 1, events: records.length}}));
  }
  socket.close();
}

// Every event behind that offset, once and in order.
async function* follow(after) {
  const live = connect(Subscriber, liveEndpoint);
  live.subscribe("log\n");
  for await (const [topic, body] of live) {
    const {fromOffset, throughOffset, records} = decode(LiveBatch, body);
    if (fromOffset > after + 1) {
      console.error(`offset ${after + 1} to ${fromOffset - 1} were missed`);
      yield* fetchMissed(after, fromOffset - 1);
    }
    yield* records.filter((record) => record.offset > after);
    after = Math.max(after, throughOffset);
  }
}

for await (const {offset, source, event} of follow(Number(start)))
  console.log(offset, source, event.caseNo ?? "", event.stage, event.step ?? "");
