/** How long a target wants to be left alone, by Retry-After and by what gRPC has in its place. */
import { describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import {
  DO_NOT_RETRY,
  pushbackMs,
  retryAfterMs,
} from '../../../../src/worker/tries/retry-after.js';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);
const wished = (value: string) => retryAfterMs(field('retry-after', value), NOW);

describe('Retry-After (RFC 9110 section 10.2.3)', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['Sun, 06 Nov 1994 08:49:47 GMT', 10_000],
    ['Sunday, 06-Nov-94 08:49:47 GMT', 10_000],
    ['Sun Nov  6 08:49:47 1994', 10_000],
    // It has passed.
    ['Sun, 06 Nov 1994 08:49:27 GMT', 0],
  ])('%s', (value, ms) => {
    expect(wished(value)).toBe(ms);
  });

  it.each([
    '-1',
    '1.5',
    '1e3',
    '9999999999',
    'soon',
    'Sun, 06 Nov 1994 08:49:47',
    'Sun, 06 Nov 1994 08:49:47 +0100',
    'Sun 6 Nov 1994',
    'Sun, 31 Feb 1995 08:49:47 GMT',
    '1994-11-06T08:49:47Z',
    '',
  ])('%s is none of its forms', (value) => {
    expect(wished(value)).toBe(0);
  });

  it('is not there', () => {
    expect(retryAfterMs(field('date', 'Sun, 06 Nov 1994 08:49:47 GMT'), NOW)).toBe(0);
  });
});

describe('grpc-retry-pushback-ms', () => {
  it.each([
    ['0', 0],
    ['250', 250],
    ['-1', DO_NOT_RETRY],
    ['soon', DO_NOT_RETRY],
  ])('%s', (value, ms) => {
    expect(pushbackMs(field('grpc-retry-pushback-ms', value))).toBe(ms);
  });
});
