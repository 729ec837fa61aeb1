// Stands between a client and the gateway, to cut their connections and to see what is asked.
import {createServer, connect} from 'node:net';
import {until} from './until.mjs';

export class Cutter {
    static async start(target) {
        const cutter = new Cutter();
        const {hostname, port} = new URL(target);
        cutter.pairs = new Set();
        cutter.requests = []; // {at: milliseconds, head: text}
        cutter.server = createServer((client) => {
            const gateway = connect(port, hostname);
            const pair = [client, gateway]; // .heard: the gateway has answered
            gateway.once('data', () => { pair.heard = true; });
            cutter.pairs.add(pair);
            client.on('data', (data) => cutter.note(data));
            for (const [from, to] of [pair, [gateway, client]]) {
                from.pipe(to);
                from.on('error', () => to.destroy());
                from.on('close', () => {
                    to.destroy();
                    cutter.pairs.delete(pair);
                });
            }
        });
        await new Promise((resolve) => cutter.server.listen(0, '127.0.0.1', resolve));
        cutter.url = `http://127.0.0.1:${cutter.server.address().port}`;
        return cutter;
    }

    note(data) {
        const head = data.toString('latin1');
        if (head.startsWith('GET ')) this.requests.push({at: Date.now(), head});
    }

    // What was asked at this address: the values of Last-Event-ID, in order.
    cursors(path) {
        return this.requests.filter(({head}) => head.startsWith(`GET ${path}`)).map(
            ({head}) => /^last-event-id: (.*)\r$/im.exec(head)?.[1] ?? null);
    }

    // How many lines are open and have been answered.
    get open() {
        return [...this.pairs].filter(({heard}) => heard).length;
    }

    cut() {
        for (const pair of this.pairs) pair[0].resetAndDestroy();
    }

    close() {
        this.cut();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

// Publishes events while the lines of so many followers are cut and the gateway restarts; gives their
// offsets.
export async function unrest(stack, cutter, followers, event) {
    const offsets = [];
    const publish = async (count) => {
        const events = Array.from({length: count}, () => event());
        const {receipts} = await stack.send({do: 'publish', events});
        offsets.push(...receipts.map(({offset}) => Number(offset)));
    };
    const back = () => until(() => cutter.open >= followers, 'the followers to be back');
    for (let round = 0; round < 2; round++) {
        await publish(20);
        cutter.cut();
        await publish(20);
        await back();
        await publish(20);
        await stack.send({do: 'restart_gateway'});
        await publish(20);
        await back();
        cutter.cut(); // perhaps while it is told what it has missed
        await publish(20);
        await back();
    }
    return offsets;
}
