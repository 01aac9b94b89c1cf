import { describe, expect, it } from 'vitest';
import { field, joinFields } from '../../../../src/base/field-block.js';
import { NO_NUMBER } from '../../../../src/base/json-number-scan.js';
import type { CompiledLimiter } from '../../../../src/config/compiled-config.js';
import { ReplyCost } from '../../../../src/worker/exchange/reply-cost.js';
import { costSourcesOf } from '../../../../src/worker/route/cost-sources.js';
import { aLimiter } from '../../../support/coordinator-rig.js';

const MEMBER = { kind: 'member', keys: ['usage', 'total'] } as const;
const FIELD = { kind: 'field', name: 'x-cost' } as const;

const DOCUMENT = '{"usage":{"total":12}}';

function sources(...told: readonly Required<CompiledLimiter>['told'][]) {
  const all = told.map((one, index) => aLimiter({ told: one, cost: 5 }, index));
  return costSourcesOf([aLimiter({}, 9), ...all]) ?? [];
}

function costOf(type: string, body: string, coding = ''): number {
  const head = field('Content-Type', type);
  const coded = coding === '' ? head : joinFields(head, field('Content-Encoding', coding));
  const cost = new ReplyCost(sources(MEMBER), 200, coded);
  cost.onData(Buffer.from(body));
  return cost.costAt(0);
}

describe('what a reply tells that its request costs', () => {
  it('is nothing where no limit goes by that', () => {
    expect(costSourcesOf([aLimiter({}, 0)])).toBeNull();
    expect(sources(MEMBER)).toEqual([{ limiterIndex: 0, reserve: 5, told: MEMBER }]);
  });

  it.each([
    ['application/json', DOCUMENT, '', 12],
    ['application/json; charset=utf-8', DOCUMENT, 'identity', 12],
    ['Application/Problem+JSON', DOCUMENT, '', 12],
    ['text/event-stream', `data: ${DOCUMENT}\n\n`, '', 12],
    ['text/event-stream;charset=utf-8', `data: ${DOCUMENT}\n\n`, '', 12],
    ['application/json', DOCUMENT, 'gzip', NO_NUMBER],
    ['text/event-stream', DOCUMENT, '', NO_NUMBER],
    ['application/jsonish', DOCUMENT, '', NO_NUMBER],
    ['text/plain', DOCUMENT, '', NO_NUMBER],
    ['application/json', '{"usage":{"total":1.2}}', '', 2],
    ['application/json', '{"usage":{"total":0}}', '', 0],
    ['application/json', '{"usage":{"total":9e99}}', '', 2 ** 31 - 1],
  ])('in a body of %s: %s (coding %j)', (type, body, coding, expected) => {
    expect(costOf(type, body, coding)).toBe(expected);
  });

  it('stands in fields of the head or behind the body, of which the last one counts', () => {
    const cost = new ReplyCost(sources(FIELD, MEMBER), 200, field('X-Cost', ' 7 '));
    cost.onData(Buffer.from(DOCUMENT));
    expect([cost.costAt(0), cost.costAt(1)]).toEqual([7, NO_NUMBER]);
    cost.readFields(field('x-cost', '-1'));
    cost.readFields(field('x-cost', 'many'));
    expect(cost.costAt(0)).toBe(7);
    cost.readFields(field('x-cost', '8.5'));
    expect(cost.costAt(0)).toBe(9);
  });
});
