/** Waits for a condition, not for a time; fails with what it was when it never came true. */
const POLL_MS = 10;
const WAIT_MS_MAX = 20_000;
const WAIT_MS_IN_VAIN = 2000;

let waitMsUsual = WAIT_MS_MAX;

export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  waitMsMax: number = waitMsUsual,
): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Runs a test that is known to wait in vain: it waits less. */
export async function inVain(test: () => Promise<void>): Promise<void> {
  waitMsUsual = WAIT_MS_IN_VAIN;
  try {
    await test();
  } finally {
    waitMsUsual = WAIT_MS_MAX;
  }
}
