import { describe, expect, it } from 'vitest';
import {
  END_NOT_SENT,
  END_RESET,
  END_STATUS,
  END_TIMEOUT,
  isRetriable,
  isSafeToRepeat,
  type RequestReplay,
  type RetryConditions,
} from '../../../../src/policy/retry/retry-rule.js';

const ENDS = [END_NOT_SENT, END_RESET, END_TIMEOUT, END_STATUS] as const;
const FLAGS = [false, true];

function everyRequest(): RequestReplay[] {
  return FLAGS.flatMap((isIdempotent) =>
    FLAGS.flatMap((isBodyKept) =>
      FLAGS.map((isReplyStarted) => ({ isIdempotent, isBodyKept, isReplyStarted })),
    ),
  );
}

const NONE: RetryConditions = {
  connectFailure: false,
  reset: false,
  timeout: false,
  statuses: [],
  grpcStatuses: [],
};

describe('what may be sent again', () => {
  it('is nothing whose reply the client has begun to get', () => {
    for (const request of everyRequest().filter((one) => one.isReplyStarted)) {
      for (const end of ENDS) expect(isSafeToRepeat(end, request)).toBe(false);
    }
  });

  it('is everything of which nothing was sent', () => {
    for (const request of everyRequest().filter((one) => !one.isReplyStarted)) {
      expect(isSafeToRepeat(END_NOT_SENT, request)).toBe(true);
    }
  });

  it('is else what is idempotent and has its whole body', () => {
    for (const request of everyRequest().filter((one) => !one.isReplyStarted)) {
      const isSafe = request.isIdempotent && request.isBodyKept;
      for (const end of [END_RESET, END_TIMEOUT, END_STATUS] as const) {
        expect(isSafeToRepeat(end, request)).toBe(isSafe);
      }
    }
  });
});

describe('what the configuration wants to be tried again', () => {
  it.each([
    [END_NOT_SENT, { ...NONE, connectFailure: true }],
    [END_RESET, { ...NONE, reset: true }],
    [END_TIMEOUT, { ...NONE, timeout: true }],
  ] as const)('is end %i with its own condition and no other', (kind, conditions) => {
    for (const other of ENDS) {
      expect(isRetriable({ kind: other, status: 0 }, conditions)).toBe(other === kind);
    }
    expect(isRetriable({ kind, status: 0 }, NONE)).toBe(false);
  });

  it('is a status that is in the list', () => {
    const conditions = { ...NONE, statuses: [429, 503] };
    for (const status of [200, 428, 429, 430, 502, 503, 504]) {
      const isListed = status === 429 || status === 503;
      expect(isRetriable({ kind: END_STATUS, status }, conditions)).toBe(isListed);
    }
  });
});
