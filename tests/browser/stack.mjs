// Starts stack.py and speaks with it: one line a command, one line an answer, in order.
import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';

export class Stack {
    // gateway: its arguments.
    static async start(logs, ...gateway) {
        const stack = new Stack();
        const program = fileURLToPath(new URL('stack.py', import.meta.url));
        stack.process = spawn('/usr/bin/python3', ['-B', program, logs, ...gateway], {
            stdio: ['pipe', 'pipe', 'inherit'],
        });
        stack.waiting = [];
        stack.ended = new Promise((resolve) => stack.process.on('close', resolve));
        createInterface({input: stack.process.stdout}).on('line', (line) => {
            stack.waiting.shift()?.resolve(JSON.parse(line));
        });
        stack.ended.then((status) => {
            const failure = new Error(`stack.py ended with status ${status}`);
            for (const {reject} of stack.waiting.splice(0)) reject(failure);
        });
        Object.assign(stack, await stack.answer());
        return stack;
    }

    answer() {
        return new Promise((resolve, reject) => this.waiting.push({resolve, reject}));
    }

    send(command) {
        this.process.stdin.write(JSON.stringify(command) + '\n');
        return this.answer();
    }

    // Publishes events of one case; gives its code.
    async publish(...events) {
        const {receipts} = await this.send({do: 'publish', events});
        for (const receipt of receipts) {
            if (receipt.refusal) throw new Error(JSON.stringify(receipt.refusal));
        }
        return receipts.at(-1).code;
    }

    async close() {
        this.process.stdin.end();
        const status = await this.ended;
        if (status !== 0) throw new Error(`stack.py ended with status ${status}`);
    }
}
