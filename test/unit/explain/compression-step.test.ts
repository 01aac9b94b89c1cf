/** What an explanation says about the compression of replies. */
import { describe, expect, it } from 'vitest';
import { compressionStep } from '../../../src/explain/compression-step.js';
import { makeExchange } from '../../support/make-exchange.js';

const PLAN = {
  codings: ['br', 'gzip'],
  minBytes: 1024,
  types: ['application/json'],
  levels: { gzip: 5, br: 4, zstd: 3 },
} as const;

function detailFor(...fields: readonly string[]): string {
  return compressionStep(PLAN, makeExchange({ fields })).detail;
}

describe('an explanation of compression', () => {
  it('names the coding, and which replies would have it', () => {
    expect(detailFor('accept-encoding', 'gzip')).toMatch(
      /^gzip for replies from 1024 bytes on whose type is one of application\/json, unless/,
    );
    expect(detailFor('accept-encoding', 'gzip, identity;q=0')).toContain('of any length');
  });

  it('says why there would be none', () => {
    expect(detailFor()).toBe('none: the request has no Accept-Encoding');
    expect(detailFor('accept-encoding', 'deflate')).toBe(
      'none: Accept-Encoding prefers no coding of the route (br, gzip)',
    );
  });
});
