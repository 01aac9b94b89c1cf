/** The judge of a soak: what it takes as an explanation, and what it does not. */
import { describe, expect, it } from 'vitest';
import { explain, type Failure, TOO_MANY } from '../../chaos/soak/failures.js';

const FAULT = { name: 'worker/1/crash', orderedMs: 10_000, diedMs: 10_500 };
const quiet = { longest: () => 0 };

function aFailure(kind: string, what: string, begunMs = 10_100, endedMs = 10_510): Failure {
  return { kind, what, begunMs, endedMs, reloadedMs: 0 };
}

const explained = (failure: Failure): string => explain(failure, [FAULT], quiet);

describe('a failure beside the death of a worker', () => {
  it.each([
    ['upload', '502 GW_WORKER_LOST'],
    ['login', '502 GW_WORKER_LOST'],
    ['large', '0 reply: aborted'],
    ['cost', '0 stream ended with 2'],
    ['reload', 'reload: 409 {"reasons":["on trial: a worker died with it"]}'],
  ])('is explained where nothing could be rescued: %s, %s', (kind, what) => {
    expect(explained(aFailure(kind, what))).toBe('worker/1/crash at its time');
  });

  it.each([
    ['plugins', '502 GW_WORKER_LOST'],
    ['large', '502 GW_WORKER_LOST'],
    ['split', '0 reply: aborted'],
    ['upload', '0 socket hang up'],
    ['upload', '504 GW_UPSTREAM_TIMEOUT'],
    ['upload', '503 GW_NOT_READY'],
    ['cache', '200'],
    ['reload', 'reload: 500 {"reasons":["cannot read"]}'],
  ])('is wrong where it should have been rescued, or is of another kind: %s, %s', (kind, what) => {
    expect(explained(aFailure(kind, what))).toBe('');
  });

  it('is wrong before the fault, and after it', () => {
    expect(explained(aFailure('upload', '502 GW_WORKER_LOST', 9000, 9999))).toBe('');
    expect(explained(aFailure('upload', '502 GW_WORKER_LOST', 10_800, 10_900))).toBe('');
  });
});

describe('a refusal of a gateway that is behind', () => {
  const waits = {
    longest: (fromMs: number, untilMs: number) => (fromMs < 900 && untilMs > 900 ? 60 : 5),
  };
  const refused = (what: string, begunMs: number): string =>
    explain(aFailure('split', what, begunMs, begunMs + 200), [], waits);

  it('is explained by a thread that got no CPU then, and by none at another time', () => {
    expect(refused('503 GW_COORDINATOR_UNAVAILABLE', 1000)).toBe('no CPU');
    expect(refused(TOO_MANY, 1000)).toBe('no CPU');
    expect(refused('503 GW_COORDINATOR_UNAVAILABLE', 2000)).toBe('');
  });

  it('is no explanation for anything else, nor for a reload that takes seconds', () => {
    expect(refused('502 GW_WORKER_LOST', 1000)).toBe('');
    expect(refused('reload: 500 {"reasons":["did not answer within 10 s"]}', 1000)).toBe('');
  });
});
