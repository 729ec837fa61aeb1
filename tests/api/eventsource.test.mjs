// The stock `eventsource` client from npm, through cut connections and restarts of the gateway.
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {EventSource} from 'eventsource';
import {Cutter, unrest} from '../browser/cutter.mjs';
import {Stack} from '../browser/stack.mjs';
import {until} from '../browser/until.mjs';

let stack, cutter, token;
let number = 0;
const sources = [];

const event = () => ({
    case_no: 'STOCK-1', event_id: `stock-${++number}`, stage: 'STAGE_UNDER_REVIEW',
    occurred_at_us: String(1767225600000000 + number * 1_000_000),
});

before(async () => {
    stack = await Stack.start(`${process.env.WAYBILL_ARTEFACTS ?? 'artefacts'}/eventsource`, '--retry=500ms');
    cutter = await Cutter.start(stack.gateway);
    token = (await stack.send({do: 'token', name: 'stock'})).token;
});

after(async () => {
    for (const source of sources) source.close();
    await cutter?.close();
    await stack?.close();
});

function follow(path, secret = token) {
    const source = new EventSource(cutter.url + path, {
        fetch: (address, options) => fetch(address, {
            ...options, headers: {...options.headers, Authorization: `Bearer ${secret}`},
        }),
    });
    sources.push(source);
    source.heard = [];
    source.ended = [];
    source.addEventListener('node', ({lastEventId, data}) => {
        assert.equal(JSON.parse(data).offset, Number(lastEventId));
        source.heard.push(Number(lastEventId));
    });
    source.addEventListener('end', ({data}) => source.ended.push(JSON.parse(data).reason));
    return source;
}

describe('a stock client', () => {
    test('misses nothing and hears nothing twice', {timeout: 60000}, async () => {
        const code = await stack.publish(event());
        const all = follow('/api/v1/streams/staff?from=start');
        const one = follow(`/api/v1/cases/STOCK-1/${code}/events?last_event_id=0`);
        await until(() => all.heard.length && one.heard.length, 'the first event');
        const offsets = [1, ...await unrest(stack, cutter, 2, event)];
        for (const source of [all, one]) {
            await until(() => source.heard.length >= offsets.length, 'all events', 30000);
            assert.deepEqual(source.heard, offsets);
        }
        assert.ok(all.ended.includes('server_stopped'));
        assert.ok(cutter.cursors('/api/v1/streams').length >= 7);
        all.close();
        one.close();
    });

    test('stays away where it has no token any more', {timeout: 30000}, async () => {
        const short = (await stack.send({do: 'token', name: 'short'})).token;
        const source = follow('/api/v1/streams/staff?from=1&item=X', short);
        await until(() => source.readyState === EventSource.OPEN, 'the stream');
        await stack.send({do: 'revoke', name: 'short'});
        await until(() => source.readyState === EventSource.CLOSED, 'the end');
        assert.deepEqual(source.ended, ['token']);
        assert.equal(cutter.cursors('/api/v1/streams/staff?from=1&item=X').length, 2);
    });
});
