// openapi.json and asyncapi.json: valid, complete, and what the running gateway answers fits them.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {Parser} from '@asyncapi/parser';
import {Validator} from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import {Stack} from '../browser/stack.mjs';
import {until} from '../browser/until.mjs';

const artefacts = process.env.WAYBILL_ARTEFACTS ?? 'artefacts';
const handler = {name: '王芳', post: '首席代表', unit: '建设工程许可科', phone: '0519-0000-1234'};
let stack, second, openapi, asyncapi, ajv, code, staff, press;
const seen = new Set(); // "GET /api/v1/cases/{case} 200"

function event(number, stage, fields = {}) {
    return {
        case_no: 'API-1', event_id: `api-${number}`, stage: `STAGE_${stage}`,
        occurred_at_us: String(1767225600000000 + number * 60_000_000), utc_offset_minutes: 480,
        agency: '市住房和城乡建设局', item_code: 'LIC-1', item_name: '建筑工程施工许可',
        region_code: '320402', ...fields,
    };
}

const history = [
    event(1, 'RECEIVED', {handler, step: '窗口收件', parent_case_no: 'ONE'}),
    event(2, 'ACCEPTED', {date_only: true, occurred_at_us: '1767225600000000'}),
    event(3, 'SPECIAL_PROCEDURE', {special: {id: 's', type: '听证', days_allowed: 5, reason: 'r'}}),
    event(4, 'RESUMED', {special: {id: 's', result: '通过'}, attributes: [
        {name: 'a', value: '1'}, {name: 'b', value: '1'}, {name: 'b', value: '2'}]}),
    event(5, 'EXTENDED', {extension: {days: 10, approver: '局长', reason: '复杂'}}),
    event(6, 'UNDER_REVIEW', {notices: [{kind: 'NOTICE_KIND_VISIT', title: '现场勘验',
        text: '请在现场等候', url: 'https://zwfw.example/', due_date: '2026-02-03'}]}),
    event(7, 'UNDER_REVIEW', {kind: 'KIND_RETRACTION', replaces: 'api-6'}),
    event(8, 'GRANTED', {decision: {summary: '准予', basis: '法', document_no: '2026-1'},
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}),
    event(9, 'RECEIVED'),
];

before(async () => {
    stack = await Stack.start(`${artefacts}/documents`, '--case-timeout=1s');
    code = await stack.publish(...history);
    staff = (await stack.send({do: 'token', name: 'boss'})).token;
    press = (await stack.send({do: 'token', name: 'press', audience: 'public'})).token;
    second = (await stack.send({do: 'second_gateway',
        arguments: ['--public-stream=off', '--wrong-codes-block=1']})).gateway;
    openapi = await (await fetch(`${stack.gateway}/api/v1/openapi.json`)).json();
    asyncapi = await (await fetch(`${stack.gateway}/api/v1/asyncapi.json`)).json();
    ajv = formats(new Ajv({strict: false, allErrors: true}));
    ajv.addSchema(openapi, 'openapi');
    ajv.addSchema(asyncapi, 'asyncapi');
});

after(() => stack?.close());

function resolve(document, part) {
    while (part?.$ref) {
        part = part.$ref.slice(2).split('/').reduce((at, name) => at[name], document);
    }
    return part;
}

function fits(document, pointer, value) {
    const path = pointer.map((name) => encodeURIComponent(
        String(name).replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    const valid = ajv.compile({$ref: `${document}#/${path}`});
    assert.ok(valid(value), `${pointer.join(' ')}: ${ajv.errorsText(valid.errors)}\n` +
        JSON.stringify(value).slice(0, 500));
}

// The documented path that an address belongs to: the one with the fewest parameters.
function documented(address) {
    const parts = new URL(address).pathname.split('/');
    return Object.keys(openapi.paths).filter((path) => {
        const names = path.split('/');
        return names.length === parts.length && names.every(
            (name, i) => name === parts[i] || (name.startsWith('{') && parts[i]));
    }).sort((a, b) => a.split('{').length - b.split('{').length)[0];
}

// Asks, and holds the answer against the document; gives its body.
async function ask(path, {method = 'GET', gateway = stack.gateway, ...options} = {}) {
    const stop = new AbortController();
    const answer = await fetch(gateway + path, {method, redirect: 'manual', signal: stop.signal,
        ...options});
    const type = answer.headers.get('content-type')?.split(';')[0];
    const where = documented(gateway + path);
    const operation = openapi.paths[where]?.[method.toLowerCase()];
    const status = String(answer.status);
    assert.ok(operation?.responses[status], `${method} ${path}: ${status} is not documented`);
    seen.add(`${method} ${where} ${status}`);
    const response = resolve(openapi, operation.responses[status]);
    for (const name of Object.keys(response.headers ?? {})) {
        assert.ok(answer.headers.get(name), `${path}: ${status} without ${name}`);
    }
    if (!response.content) return null;
    assert.ok(response.content[type], `${path}: ${status} is ${type}`);
    if (type === 'text/event-stream') {
        stop.abort();
        return null;
    }
    if (type !== 'application/json') return answer.text();
    const body = await answer.json();
    const at = operation.responses[status].$ref?.slice(2).split('/') ??
        ['paths', where, method.toLowerCase(), 'responses', status];
    fits('openapi', [...at, 'content', type, 'schema'], body);
    return body;
}

const bearer = (secret) => ({headers: {Authorization: `Bearer ${secret}`}});

// The first events of a stream: [[type, data]]; after the first, `begun` is called.
async function hear(path, count, options = {}, begun = undefined) {
    const stop = new AbortController();
    const answer = await fetch(stack.gateway + path, {signal: stop.signal, ...options});
    assert.equal(answer.status, 200, path);
    let text = '';
    let found = [];
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        found = [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(
            ([, type, data]) => [type, JSON.parse(data)]);
        if (found.length && begun) {
            await begun();
            begun = undefined;
        }
        if (found.length >= count) break;
    }
    stop.abort();
    return found;
}

// Each is one of the messages that the channel says it has.
function fitChannel(name, events) {
    for (const [type, data] of events) {
        const message = Object.keys(asyncapi.channels[name].messages).find(
            (key) => asyncapi.components.messages[key].name === type);
        assert.ok(message, `${name} has no message ${type}`);
        fits('asyncapi', ['components', 'messages', message, 'payload'], data);
    }
}

describe('the documents', () => {
    test('are valid OpenAPI 3.1', async () => {
        const validator = new Validator();
        const result = await validator.validate(structuredClone(openapi));
        assert.ok(result.valid, JSON.stringify(result.errors));
        assert.equal(validator.version, '3.1');
    });

    test('are valid AsyncAPI 3.0', async () => {
        const {document, diagnostics} = await new Parser().parse(JSON.stringify(asyncapi));
        assert.deepEqual(diagnostics.filter(({severity}) => severity === 0), []);
        assert.equal(document.version(), '3.0.0');
    });

    test('name every route, and no other', () => {
        const source = readFileSync(new URL('../../subscribers/gateway/route.c', import.meta.url),
            'utf8');
        const routes = [...source.matchAll(/\{"(GET|POST)", "([^"]+)"/g)].map(
            ([, method, path]) => `${method} ${path}`);
        const named = Object.entries(openapi.paths).flatMap(([path, item]) => Object.keys(item).map(
            (method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '*')}`));
        assert.ok(routes.length > 15);
        assert.deepEqual(named.sort(), routes.sort());
        const streams = Object.entries(openapi.paths).filter(
            ([, {get}]) => get?.responses['200']?.content?.['text/event-stream']);
        const channels = Object.values(asyncapi.channels).map(({address}) => address);
        assert.deepEqual(streams.map(([path]) => path).sort(),
            channels.filter((address) => address.startsWith('/')).sort());
    });

    test('say the same of what both describe', () => {
        for (const [name, schema] of Object.entries(asyncapi.components.schemas)) {
            assert.deepEqual(schema, openapi.components.schemas[name], name);
        }
    });
});

describe('the answers', () => {
    test('pages and what belongs to them', async () => {
        await ask('/');
        await ask(`/?case=API-1&code=${code}`);
        const body = new URLSearchParams({case: 'API-1', code});
        await ask('/', {method: 'POST', body});
        await ask('/', {method: 'POST', body: new URLSearchParams({case: '', code: ''})});
        await ask('/?case=%20&code=');
        const page = await ask(`/c/API-1/${code}`);
        await ask(`/c/API-1/${code}/fragment`);
        for (const [, path] of page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)) await ask(path);
        for (const path of ['/c/API-1/none', '/c/API-1/none/fragment', '/c/API-1/none/events',
            '/assets/none', '/robots.txt', '/favicon.svg', '/healthz', '/readyz', '/metrics',
            '/api/v1/openapi.json', '/api/v1/asyncapi.json']) await ask(path);
    });

    test('cases', async () => {
        const whole = await ask('/api/v1/cases/API-1', bearer(code));
        assert.equal(whole.nodes.length, history.length);
        assert.deepEqual(await ask(`/api/v1/cases/API-1/${code}`), whole);
        await ask('/api/v1/cases/API-1');
        await ask('/api/v1/cases/API-1', bearer('none'));
        await ask('/api/v1/cases/API-1/none');
        for (const path of ['/api/v1/cases/API-1/events', `/c/API-1/${code}/events`,
            `/api/v1/cases/API-1/${code}/events`]) await ask(path, bearer(code));
        await ask('/api/v1/cases/API-1/events');
        await ask('/api/v1/cases/API-1/events', bearer('none'));
        await ask('/api/v1/cases/API-1/none/events');
    });

    test('streams', async () => {
        for (const path of ['/api/v1/streams/staff', '/api/v1/streams/public']) {
            await ask(path, bearer(staff));
            await ask(path);
            await ask(path, bearer('none'));
            await ask(`${path}?stage=NONE`, bearer(staff));
            await ask(`${path}?token=x`, bearer(staff));
        }
        await ask('/api/v1/streams/staff', bearer(press));
        await ask('/api/v1/streams/public', {gateway: second, ...bearer(press)});
    });

    test('events of a case', async () => {
        const path = `/api/v1/cases/API-1/${code}/events`;
        fitChannel('caseEventsByLink', await hear(path, 1));
        const all = await hear(`${path}?last_event_id=0`, history.length);
        assert.equal(all.length, history.length);
        fitChannel('caseEventsByLink', all);
        for (const cursor of ['x', '999']) {
            const [[type, data]] = await hear(`${path}?last_event_id=${cursor}`, 1);
            assert.equal(type, 'reset');
            fitChannel('caseEvents', [[type, data]]);
        }
    });

    test('events of the streams', async () => {
        for (const [name, token] of [['staff', staff], ['public', press]]) {
            const path = `/api/v1/streams/${name}?from=start`;
            const all = await hear(path, 1 + history.length, bearer(token));
            assert.deepEqual(all.map(([type]) => type),
                ['begin', ...history.map(() => 'node')]);
            fitChannel(name, all);
            fitChannel(name, await hear(`/api/v1/streams/${name}?last_event_id=999`, 1,
                bearer(token)));
        }
        const token = (await stack.send({do: 'token', name: 'short'})).token;
        const said = await hear('/api/v1/streams/staff', 2, bearer(token),
            () => stack.send({do: 'revoke', name: 'short'}));
        assert.deepEqual(said.map(([type]) => type), ['begin', 'end']);
        fitChannel('staff', said);
    });

    test('of a gateway that is asked too often', async () => {
        const everything = ['/c/API-1/x', '/c/API-1/x/fragment', '/c/API-1/x/events',
            '/api/v1/cases/API-1/x', '/api/v1/cases/API-1/x/events', '/api/v1/cases/API-1',
            '/api/v1/cases/API-1/events', '/api/v1/streams/staff'];
        for (let i = 0; i < 5; i++) await ask('/api/v1/cases/API-1/x', {gateway: second});
        for (const path of everything) await ask(path, {gateway: second, ...bearer('x')});
        const third = (await stack.send({do: 'second_gateway',
            arguments: ['--wrong-codes-block=1']})).gateway;
        for (let i = 0; i < 5; i++) await ask('/api/v1/cases/API-1/x', {gateway: third});
        await ask('/api/v1/streams/public', {gateway: third, ...bearer('x')});
    });

    test('while the broker is away', async () => {
        await stack.send({do: 'stop_broker'});
        await until(async () => (await fetch(`${stack.gateway}/readyz`)).status === 503,
            'the gateway to notice');
        for (const path of ['/readyz', `/c/API-1/${code}`, `/c/API-1/${code}/fragment`,
            `/c/API-1/${code}/events`, `/api/v1/cases/API-1/${code}`,
            `/api/v1/cases/API-1/${code}/events`]) await ask(path);
        for (const path of ['', '/events']) {
            await ask(`/api/v1/cases/API-1${path}`, bearer(code));
        }
        await ask('/api/v1/streams/staff', bearer(staff));
        await ask('/api/v1/streams/public', bearer(press));
        await stack.send({do: 'start_broker'});
    });

    test('were all that are documented', () => {
        const missing = Object.entries(openapi.paths).flatMap(([path, item]) =>
            Object.entries(item).flatMap(([method, {responses}]) => Object.keys(responses).map(
                (status) => `${method.toUpperCase()} ${path} ${status}`)))
            .filter((answer) => !seen.has(answer))
            // Only of a broker that asks for keys, where the gateway's own may not have it.
            .filter((answer) => answer !== 'GET /api/v1/streams/public 403');
        assert.deepEqual(missing, []);
    });
});
