// Waits for a condition: its first true value.
export async function until(condition, what, milliseconds = 20000) {
    const end = Date.now() + milliseconds;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) throw new Error(`${what} did not come within ${milliseconds} ms`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}
