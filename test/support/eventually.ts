/** Waits for a condition, not for a time; fails with what it was when it never came true. */
const POLL_MS = 10;
/** What takes seconds is asked less often: a page of figures costs more than it seems. */
const POLL_MS_MAX = 30;
const POLLS_AT_FULL_PACE = 20;
const WAIT_MS_MAX = 20_000;
const WAIT_MS_IN_VAIN = 2000;

let waitMsUsual = WAIT_MS_MAX;

export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  waitMsMax: number = waitMsUsual,
): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  let polls = 0;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    polls += 1;
    const pollMs = polls < POLLS_AT_FULL_PACE ? POLL_MS : POLL_MS_MAX;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
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
