import { describe, expect, it } from 'vitest';
import { field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import { trailersForTarget } from '../../../../src/worker/upstream/forwarded-trailers.js';
import { makeExchange } from '../../../support/make-exchange.js';

const route = { droppedFields: new Set(['x-user', 'x-removed']) } as unknown as WorkerRoute;
const CHECK = field('X-Check', '1');

describe('trailers of a request', () => {
  it('go on to the target', () => {
    expect(trailersForTarget(makeExchange({ route }), CHECK)).toBe(CHECK);
  });

  it.each([
    'X-User',
    'x-removed',
    'X-Forwarded-For',
    'Forwarded',
    'X-Real-IP',
    'X-Forwarded-Client-Cert',
    'X-HTTP-Method-Override',
    'X-Original-URL',
    'Authorization',
    'Host',
  ])('never tell the target what %s tells', (name) => {
    const exchange = makeExchange({ route });
    expect(trailersForTarget(exchange, joinFields(field(name, 'x'), CHECK))).toBe(CHECK);
    expect(trailersForTarget(exchange, field(name, 'x'))).toBe(NO_FIELDS);
  });
});
