import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import type { ReplyStep } from '../../../../src/filters/filter.js';
import { fieldsLetThrough } from '../../../../src/worker/reply/late-fields.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import { makeExchange } from '../../../support/make-exchange.js';

function letThrough(steps: readonly ReplyStep[], fields: FieldBlock): FieldBlock {
  const route = { filters: { replySteps: steps } } as unknown as WorkerRoute;
  return fieldsLetThrough(makeExchange({ route }), 200, fields);
}

const SENT = joinFields(field('X-Secret', '1'), field('X-Check', 'a b'));

describe('fields outside of the head of a reply', () => {
  it('go on as they came where no filter looks at heads, or there is no route', () => {
    expect(letThrough([], SENT)).toBe(SENT);
    expect(fieldsLetThrough(makeExchange(), 200, SENT)).toBe(SENT);
  });

  it('lack what filters take out of heads, and have what they make of it', () => {
    const left = letThrough([(head) => head.remove('x-secret')], SENT);
    expect(left).toBe(field('X-Check', 'a b'));
    expect(letThrough([(head) => head.set('X-Secret', 'x')], SENT)).toContain('X-Secret: x');
    expect(letThrough([(head) => head.removeWhere(() => true)], SENT)).toBe(NO_FIELDS);
  });

  it('get nothing that filters add', () => {
    expect(letThrough([(head) => head.add('X-Frame-Options', 'DENY')], SENT)).toBe(SENT);
  });
});
