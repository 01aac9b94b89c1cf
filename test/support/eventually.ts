/** Waits for a condition, not for a time; fails with what it was when it never came true. */
const POLL_MS = 10;
const WAIT_MS_MAX = 20_000;

export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  waitMsMax: number = WAIT_MS_MAX,
): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
