// Chromium, and pages that keep a record of all that they asked for and complained about.
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {chromium} from 'playwright-core';

export {until} from './until.mjs';

export const artefacts = process.env.WAYBILL_ARTEFACTS ?? 'artefacts';
mkdirSync(artefacts, {recursive: true});

export const phone = {width: 390, height: 844};
export const desk = {width: 1280, height: 800};

export function launch() {
    return chromium.launch({
        executablePath: process.env.WAYBILL_CHROMIUM ?? '/usr/bin/chromium',
        // As root Chromium has no sandbox; /dev/shm may be small.
        args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
}

// A page in a browser of its own memory; page.record says what it did.
export async function open(browser, options = {}) {
    const context = await browser.newContext({
        locale: 'zh-CN', timezoneId: 'Asia/Shanghai', viewport: phone, ...options,
    });
    const page = await context.newPage();
    page.record = {hosts: new Set(), failures: [], loads: 0};
    page.on('request', (request) => page.record.hosts.add(new URL(request.url()).host));
    page.on('console', (message) => {
        // A connection that breaks while the gateway is away is told by the browser itself.
        if (message.type() === 'error' && !/net::ERR_|status of 50[0-9]/.test(message.text())) {
            page.record.failures.push(message.text());
        }
    });
    page.on('pageerror', (error) => page.record.failures.push(String(error)));
    page.on('load', () => page.record.loads++);
    return page;
}

// The offsets of the timeline's nodes, as they stand on the page: newest first.
export function offsets(page) {
    return page.locator('[data-testid=timeline] [data-offset]').evaluateAll(
        (nodes) => nodes.map((node) => Number(node.dataset.offset)));
}

export function picture(page, name) {
    return page.screenshot({path: join(artefacts, `${name}.png`), fullPage: false});
}
