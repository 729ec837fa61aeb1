// The case page in a browser: what it shows, and how it keeps up while events arrive.
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {artefacts, desk, launch, offsets, open, phone, picture, until} from './page.mjs';
import {Stack} from './stack.mjs';

let stack;
let browser;
let number = 0;

const wang = {
    name: '王芳', post: '首席代表', unit: '建设工程许可科', phone: '0519-0000-1234',
};

// An event at a minute of its own.
function event(caseNo, stage, fields = {}) {
    number += 1;
    return {
        case_no: caseNo, event_id: `browser-${number}`, stage: `STAGE_${stage}`,
        occurred_at_us: String(1767225600000000 + number * 60_000_000),
        agency: '市住房和城乡建设局', item_name: '建筑工程施工许可', ...fields,
    };
}

// A case in the middle of its course: its link.
async function begin(caseNo) {
    const code = await stack.publish(
        event(caseNo, 'RECEIVED', {step: '窗口收件', handler: wang}),
        event(caseNo, 'ACCEPTED', {step: '受理审批', handler: wang}),
        event(caseNo, 'UNDER_REVIEW', {
            step: '现场勘验', handler: wang,
            notices: [{kind: 'NOTICE_KIND_VISIT', title: '现场勘验', due_date: '2026-02-03',
                text: '请在现场等候，带好 <施工图> & 身份证。'}],
        }));
    return `${stack.gateway}/c/${encodeURIComponent(caseNo)}/${code}`;
}

function descending(list) {
    return list.every((value, index) => index === 0 || list[index - 1] > value);
}

before(async () => {
    stack = await Stack.start(artefacts);
    browser = await launch();
});

after(async () => {
    await browser?.close();
    await stack?.close();
});

describe('a case page', () => {
    test('says where the case stands, who has it and what to do', async () => {
        const page = await open(browser);
        await page.goto(await begin('苏D-2026-001'));
        const text = (id) => page.getByTestId(id).first().innerText();
        assert.match(await text('headline'), /审查/);
        assert.match(await text('who'), /王首席代表/);
        assert.match(await text('who'), /建设工程许可科/);
        assert.match(await text('case-no'), /苏D-2026-001/);
        // A text is a text, whatever it holds.
        assert.match(await text('todo'), /请在现场等候，带好 <施工图> & 身份证。/);
        assert.equal(await page.getByTestId('phone').first().getAttribute('href'),
            'tel:051900001234');
        const shown = await offsets(page);
        assert.equal(shown.length, 3);
        assert.ok(descending(shown), `newest first: ${shown}`);
        assert.equal(await page.locator('html').getAttribute('lang'), 'zh-Hans');
        assert.deepEqual(page.record.failures, []);
    });

    test('asks nobody but the gateway', async () => {
        const page = await open(browser);
        await page.goto(await begin('HOSTS-1'));
        await stack.publish(event('HOSTS-1', 'GRANTED'));
        await until(async () => (await offsets(page)).length === 4, 'the event');
        assert.deepEqual([...page.record.hosts], [new URL(stack.gateway).host]);
    });

    test('shows events as they arrive, without being loaded again', async () => {
        const page = await open(browser);
        await page.goto(await begin('LIVE-1'));
        await page.evaluate(() => { window.same = true; });
        for (const stage of ['EXTENDED', 'UNDER_REVIEW', 'GRANTED']) {
            const before = (await offsets(page)).length;
            await stack.publish(event('LIVE-1', stage, {step: `步骤 ${stage}`, handler: wang}));
            await until(async () => (await offsets(page)).length === before + 1, stage);
        }
        await until(async () => /准予/.test(await page.getByTestId('headline').innerText()),
            'the headline');
        assert.equal(await page.evaluate(() => window.same), true);
        assert.equal(page.record.loads, 1);
        assert.deepEqual(page.record.failures, []);
    });

    test('misses nothing and shows nothing twice while the gateway is restarted', async () => {
        const page = await open(browser);
        await page.goto(await begin('RESTART-1'));
        await page.evaluate(() => { window.same = true; });
        const first = await offsets(page);
        let sent = 0;
        const send = (count) => {
            sent += count;
            return stack.publish(...Array.from({length: count}, () =>
                event('RESTART-1', 'UNDER_REVIEW', {step: '复核', handler: wang})));
        };
        await send(2);
        await stack.send({do: 'stop_gateway'});
        await send(5);
        await stack.send({do: 'start_gateway'});
        await send(2);
        await stack.send({do: 'restart_gateway'});
        await send(1);
        await until(async () => (await offsets(page)).length >= first.length + sent,
            'all events', 45000);
        await send(1);
        await until(async () => (await offsets(page)).length >= first.length + sent, 'the last');
        const shown = await offsets(page);
        assert.equal(shown.length, first.length + sent);
        assert.equal(new Set(shown).size, shown.length, `one of ${shown} is there twice`);
        assert.ok(descending(shown), `newest first: ${shown}`);
        const fresh = await open(browser);
        await fresh.goto(page.url());
        assert.deepEqual(await offsets(fresh), shown);
        assert.equal(await page.evaluate(() => window.same), true);
        assert.equal(page.record.loads, 1);
    });

    test('outlives a question that is never answered', async () => {
        const page = await open(browser);
        let hung = 0;
        await page.route('**/fragment*', (route) => hung++ === 0 ? undefined : route.continue());
        await page.goto(await begin('HUNG-1'));
        await page.evaluate(() => { window.same = true; });
        const state = () => page.getByTestId('live').getAttribute('data-state');
        await until(async () => await state() === 'on', 'the line');
        await stack.publish(event('HUNG-1', 'EXTENDED', {step: 'price $& $1'}));
        await until(() => hung === 1, 'the question');
        await stack.publish(event('HUNG-1', 'UNDER_REVIEW', {step: 'price $& $1'}));
        await until(async () => await state() === 'stale', 'the admission', 8000);
        await until(async () => (await offsets(page)).length === 5, 'both events', 30000);
        await until(async () => await state() === 'on', 'the line again');
        // What an office writes is no pattern.
        assert.match(await page.locator('#news').textContent(), /price \$& \$1/);
        assert.equal(await page.evaluate(() => window.same), true);
    });

    test('opens its line anew after it was out of sight for long', async () => {
        const page = await open(browser);
        let lines = 0;
        page.on('request', (request) => { lines += /\/events/.test(request.url()) ? 1 : 0; });
        await page.goto(await begin('HIDDEN-1'));
        const state = () => page.getByTestId('live').getAttribute('data-state');
        await until(async () => await state() === 'on', 'the line');
        const leave = (milliseconds) => page.evaluate((away) => {
            const show = (visibility) => {
                Object.defineProperty(document, 'visibilityState',
                    {value: visibility, configurable: true});
                document.dispatchEvent(new Event('visibilitychange'));
            };
            const now = Date.now;
            show('hidden');
            Date.now = () => now() + away;
            show('visible');
            Date.now = now;
        }, milliseconds);
        await leave(1000);
        assert.equal(lines, 1);
        await leave(60000);
        await until(() => lines === 2, 'another line');
        await until(async () => await state() === 'on', 'it to be open');
        await stack.publish(event('HIDDEN-1', 'GRANTED'));
        await until(async () => (await offsets(page)).length === 4, 'the event');
    });

    test('keeps up with many events in one moment', async () => {
        const page = await open(browser);
        await page.goto(await begin('MANY-1'));
        for (let batch = 0; batch < 10; batch++) {
            await stack.publish(...Array.from({length: 10}, () => event('MANY-1', 'UNDER_REVIEW')));
        }
        await until(async () => (await offsets(page)).length === 103, 'all of them');
        assert.ok(descending(await offsets(page)));
    });

    test('keeps what was corrected readable', async () => {
        const page = await open(browser);
        await page.goto(await begin('MEND-1'));
        const wrong = event('MEND-1', 'REFUSED');
        await stack.publish(wrong);
        await until(async () => /不予许可/.test(await page.getByTestId('headline').innerText()),
            'the refusal');
        await stack.publish(event('MEND-1', 'GRANTED', {
            kind: 'KIND_CORRECTION', replaces: wrong.event_id,
        }));
        await until(async () => /准予/.test(await page.getByTestId('headline').innerText()),
            'the correction');
        const fallen = page.locator('[data-testid=node][data-standing=fallen]');
        assert.equal(await fallen.count(), 1);
        assert.match(await fallen.innerText(), /不予许可/);
    });

    test('is readable without JavaScript', async () => {
        const page = await open(browser, {javaScriptEnabled: false});
        await page.goto(await begin('PLAIN-1'));
        assert.match(await page.getByTestId('headline').innerText(), /审查/);
        assert.equal(await page.getByTestId('node').count(), 3);
        await stack.publish(event('PLAIN-1', 'GRANTED'));
        await page.reload();
        assert.match(await page.getByTestId('headline').innerText(), /准予/);
        await picture(page, 'case-without-javascript');
    });

    test('speaks English to those who prefer it or switch', async () => {
        const link = await begin('ENGLISH-1');
        const preferring = await open(browser, {locale: 'en-GB'});
        await preferring.goto(link);
        assert.equal(await preferring.locator('html').getAttribute('lang'), 'en');
        assert.match(await preferring.getByTestId('headline').innerText(), /review/i);
        const switching = await open(browser);
        await switching.goto(link);
        await switching.getByTestId('language-en').click();
        await until(async () => await switching.locator('html').getAttribute('lang') === 'en',
            'English');
        assert.match(await switching.getByTestId('headline').innerText(), /review/i);
        await stack.publish(event('ENGLISH-1', 'GRANTED'));
        await until(async () => (await offsets(switching)).length === 4, 'the event');
        assert.doesNotMatch(await switching.getByTestId('headline').innerText(), /[一-鿿]/);
    });

    for (const [name, viewport] of [['phone', phone], ['desk', desk]]) {
        for (const [scheme, locale] of [['light', 'zh-CN'], ['dark', 'en-GB']]) {
            test(`fits ${name}, ${scheme}, ${locale}`, async () => {
                const page = await open(browser, {viewport, colorScheme: scheme, locale});
                await page.goto(await begin(`FIT-${name}-${scheme}`));
                await until(() => page.getByTestId('live').isVisible(), 'the live mark');
                const wide = await page.evaluate(() =>
                    document.documentElement.scrollWidth - window.innerWidth);
                assert.ok(wide <= 0, `${wide} pixels too wide`);
                const headline = await page.getByTestId('headline').boundingBox();
                assert.ok(headline.y + headline.height < viewport.height,
                    'where it stands is seen without scrolling');
                await picture(page, `case-${name}-${scheme}`);
            });
        }
    }
});

describe('who has no case', () => {
    test('finds it by number and code', async () => {
        const link = await begin('FIND-1');
        const page = await open(browser);
        await page.goto(stack.gateway);
        await picture(page, 'find');
        await page.getByTestId('find-case').fill('FIND-1');
        await page.getByTestId('find-code').fill(link.split('/').at(-1));
        await page.getByTestId('find-submit').click();
        await until(async () => await page.getByTestId('headline').count() === 1, 'the case');
        assert.match(await page.getByTestId('case-no').innerText(), /FIND-1/);
    });

    test('learns nothing from a wrong code', async () => {
        const link = await begin('GUESS-1');
        const other = (await begin('GUESS-2')).split('/').at(-1);
        const words = [];
        for (const path of [`/c/GUESS-1/${other}`, `/c/GUESS-9/${link.split('/').at(-1)}`]) {
            const page = await open(browser);
            const answer = await page.goto(stack.gateway + path);
            assert.equal(answer.status(), 404);
            words.push((await page.locator('body').innerText()).replaceAll(/GUESS-\d/g, ''));
            await picture(page, 'missing');
        }
        assert.equal(words[0], words[1]);
    });
});

describe('a case page gives nothing away', () => {
    test('neither to whom it links nor to anyone else', async () => {
        const elsewhere = 'https://zwfw.example/upload';
        const code = await stack.publish(event('SECRET-1', 'CORRECTION_REQUESTED', {
            notices: [{kind: 'NOTICE_KIND_MATERIALS', title: '补交合同', url: elsewhere}],
        }));
        const link = `${stack.gateway}/c/SECRET-1/${code}`;
        const page = await open(browser);
        const asked = [];
        page.context().on('request', (request) => asked.push(request));
        await page.route('https://zwfw.example/**', (route) => route.fulfill({
            contentType: 'text/html', body: '<title>elsewhere</title>',
        }));
        for (const path of [stack.gateway, `${stack.gateway}/nowhere`, link]) await page.goto(path);
        await until(async () => await page.getByTestId('live').getAttribute('data-state') === 'on',
            'the line');
        const own = new URL(stack.gateway).host;
        assert.deepEqual([...new Set(asked.map((one) => new URL(one.url()).host))], [own]);
        await page.getByTestId('notice-link').first().click();
        await until(async () => await page.title() === 'elsewhere', 'the other site');
        assert.equal(await page.evaluate(() => document.referrer), '');
        for (const request of asked) {
            const headers = await request.allHeaders();
            assert.equal(headers.referer, undefined, request.url());
            assert.equal(headers.cookie, undefined, request.url());
        }
        assert.ok(asked.some((request) => request.url() === elsewhere));
        assert.deepEqual(page.record.failures.filter((text) => !/status of 404/.test(text)), []);
    });

    test('and lets nothing run that is not its own', async () => {
        const page = await open(browser);
        await page.goto(await begin('SECRET-2'));
        const stopped = await page.evaluate(async () => {
            const violations = [];
            document.addEventListener('securitypolicyviolation',
                (event) => violations.push(event.effectiveDirective));
            const add = (name, fields) => document.body.append(
                Object.assign(document.createElement(name), fields));
            add('script', {textContent: 'window.ran = true'});
            add('script', {src: 'https://elsewhere.example/a.js'});
            add('img', {src: 'https://elsewhere.example/a.png'});
            add('img', {src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='});
            add('style', {textContent: 'body { display: none }'});
            add('iframe', {src: '/'});
            await fetch('https://elsewhere.example/').catch(() => {});
            document.body.setAttribute('onclick', 'window.ran = true');
            document.body.click();
            for (let i = 0; i < 100 && violations.length < 8; i++) {
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
            return {violations, ran: window.ran, shown: getComputedStyle(document.body).display};
        });
        assert.deepEqual([...new Set(stopped.violations)].sort(), ['connect-src', 'frame-src',
            'img-src', 'script-src-attr', 'script-src-elem', 'style-src-elem']);
        assert.equal(stopped.violations.length, 8);
        assert.equal(stopped.ran, undefined);
        assert.notEqual(stopped.shown, 'none');
    });

    test('says to who guesses that they have to wait', async () => {
        const page = await open(browser, {extraHTTPHeaders: {'X-Forwarded-For': '198.51.100.1'}});
        let status;
        for (let i = 0; i < 80 && status !== 429; i++) {
            status = (await page.goto(`${stack.gateway}/c/WAIT-${i}/WRONG`)).status();
        }
        assert.equal(status, 429);
        assert.match(await page.getByTestId('throttled-page').innerText(), /秒后再试/);
        await picture(page, 'throttled');
        const other = await open(browser, {extraHTTPHeaders: {'X-Forwarded-For': '203.0.113.1'}});
        assert.equal((await other.goto(`${stack.gateway}/c/WAIT-1/WRONG`)).status(), 404);
    });
});
