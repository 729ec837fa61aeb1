// Chromium's own EventSource before the gateway: the rules of the HTML standard that a stream
// leans on, and that nothing is missed through cut connections and restarts.
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {Cutter, unrest} from './cutter.mjs';
import {artefacts, launch, open, until} from './page.mjs';
import {Stack} from './stack.mjs';

const RETRY_MS = 1000;
const stream = '/api/v1/streams/public';
let stack, browser, cutter, page;
let number = 0;

const event = (fields = {}) => ({
    case_no: 'SOURCE-1', event_id: `source-${++number}`, stage: 'STAGE_UNDER_REVIEW',
    occurred_at_us: String(1767225600000000 + number * 1_000_000), agency: '审批局', ...fields,
});

before(async () => {
    stack = await Stack.start(`${artefacts}/eventsource`, '--public-stream=on', `--retry=${RETRY_MS}ms`,
        '--keepalive=200ms');
    cutter = await Cutter.start(stack.gateway);
    browser = await launch();
    page = await open(browser);
    await page.goto(`${cutter.url}/robots.txt`); // the streams' own origin
});

after(async () => {
    await browser?.close();
    await cutter?.close();
    await stack?.close();
});

// Follows in the page, under a name; heard(name) tells what has come.
function follow(name, path) {
    return page.evaluate(([name, path]) => {
        const source = new EventSource(path);
        const heard = {ids: [], types: [], messages: 0, agencies: [], errors: 0, source};
        window.heard = {...window.heard, [name]: heard};
        for (const type of ['begin', 'reset', 'node', 'end']) {
            source.addEventListener(type, (event) => {
                heard.types.push(event.type);
                if (event.type !== 'node') return;
                heard.ids.push(Number(event.lastEventId));
                heard.agencies.push(JSON.parse(event.data).agency);
            });
        }
        source.onmessage = () => heard.messages++; // of no type: there must be none
        source.onerror = () => heard.errors++;
    }, [name, path]);
}

function heard(name) {
    return page.evaluate((name) => {
        const {source, ...rest} = window.heard[name];
        return {...rest, state: source.readyState};
    }, name);
}

describe('the rules of EventSource', () => {
    test('the type of the stream, and events by their names', async () => {
        const answer = await fetch(`${stack.gateway}${stream}`);
        assert.match(answer.headers.get('content-type'), /^text\/event-stream(;|$)/);
        assert.equal(answer.headers.get('cache-control'), 'no-store');
        await answer.body.cancel();
        await follow('names', `${stream}?from=start&agency=审批`);
        await stack.publish(event(), event({agency: '审批二局'}), event({agency: '住建局'}));
        await until(async () => (await heard('names')).ids.length === 2, 'two events');
        const {types, messages, agencies} = await heard('names');
        assert.deepEqual(types, ['begin', 'node', 'node']);
        assert.deepEqual(agencies, ['审批局', '审批二局']);
        assert.equal(messages, 0);
    });

    test('an id without data moves the cursor, and comments are not heard', async () => {
        const path = `${stream}?item=NONE`;
        await follow('silent', path);
        await until(async () => (await heard('silent')).types.length === 1, 'the beginning');
        await stack.publish(event(), event());
        const newest = number;
        await until(async () => {
            cutter.cut();
            await new Promise((resolve) => setTimeout(resolve, 2 * RETRY_MS));
            return cutter.cursors(path).at(-1) === String(newest);
        }, 'the newest offset as Last-Event-ID', 30000);
        assert.equal(cutter.cursors(path)[0], null);
        const {ids, messages} = await heard('silent');
        assert.deepEqual([ids.length, messages], [0, 0]);
    });

    test('it comes again after the time that it is told', async () => {
        const path = `${stream}?item=LATER`;
        await follow('later', path);
        await until(async () => (await heard('later')).types.length === 1, 'the beginning');
        const cutAt = Date.now();
        cutter.cut();
        await until(() => cutter.cursors(path).length === 2, 'the second request');
        const after = cutter.requests.findLast(({head}) => head.includes(path)).at - cutAt;
        assert.ok(after >= RETRY_MS / 5 - 20 && after < RETRY_MS + 4000, `after ${after} ms`);
    });

    test('an answer that is no stream is the end', async () => {
        for (const [name, path] of [['secret', '/api/v1/streams/staff'], ['wrong', '/healthz'],
            ['mistyped', `${stream}?stage=NONE`]]) {
            await follow(name, path);
            await until(async () => (await heard(name)).state === 2, 'the end');
            assert.equal((await heard(name)).errors, 1);
        }
        await new Promise((resolve) => setTimeout(resolve, 2 * RETRY_MS));
        assert.equal(cutter.cursors('/api/v1/streams/staff').length, 1);
    });

    test('nothing is missed and nothing comes twice', {timeout: 90000}, async () => {
        const before = number;
        await page.close(); // and the lines of the tests before
        page = await open(browser);
        await page.goto(`${cutter.url}/robots.txt`);
        await follow('all', `${stream}?from=${before + 1}`);
        await until(async () => (await heard('all')).types.length === 1, 'the beginning');
        const offsets = await unrest(stack, cutter, 1, event);
        await until(async () => (await heard('all')).ids.length >= offsets.length, 'all events',
            40000);
        const {ids, types} = await heard('all');
        assert.deepEqual(ids, offsets);
        assert.ok(types.includes('end') && !types.includes('reset'));
        assert.ok(cutter.cursors(`${stream}?from=${before + 1}`).length >= 7);
    });
});
