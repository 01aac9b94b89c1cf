/** What a request is for the cache. */
import { describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import type { EntryHead } from '../../../../src/channel/cache/cache-entry.js';
import { wantsNoBody } from '../../../../src/worker/cache/cached-request.js';
import { makeExchange } from '../../../support/make-exchange.js';

describe('a request with conditions', () => {
  it('needs no body where 304 answers it, which stands for 200 only', () => {
    const exchange = makeExchange({ fields: ['if-none-match', '"a"'] });
    const stored = (status: number) =>
      ({ status, fields: field('etag', '"a"'), date: '' }) as EntryHead;
    expect(wantsNoBody(exchange, stored(200), 0)).toBe(true);
    for (const status of [203, 301, 404, 410]) {
      expect(wantsNoBody(exchange, stored(status), 0), `${status}`).toBe(false);
    }
  });
});
