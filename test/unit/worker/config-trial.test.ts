/** The only worker of a gateway, which gives a configuration on trial a share of its requests. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../../src/base/field-block.js';
import { aConfig } from '../../support/configs.js';
import { WorkerRig } from '../../support/worker-rig.js';

const TRACING = { endpoint: 'http://127.0.0.1:1', samplePercent: 0 };
const BOTH_FORMATS = { ...TRACING, propagation: ['w3c', 'b3'] };
const UNSAMPLED = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
const IN_FORCE = configWith({ connect: '1s' }, BOTH_FORMATS);
let rig: WorkerRig;

beforeEach(async () => {
  rig = await WorkerRig.create(IN_FORCE);
});

afterEach(() => rig.close());

function configWith(timeouts: object, tracing: object, upstreams: object = {}): never {
  const config = aConfig(['http://127.0.0.1:1'], { upstream: { timeouts }, top: { tracing } });
  const { upstreams: own, routes } = config as { upstreams: object; routes: object[] };
  const added = Object.keys(upstreams).map((name) => ({
    ...{ name, match: { path: `/${name}` }, upstream: name },
  }));
  return { ...config, upstreams: { ...own, ...upstreams }, routes: [...added, ...routes] } as never;
}

/** What became of the next request: where, by which connection, and whether its target reads B3. */
function next(path = '/'): { port: string; connectMs: number; hasB3: boolean } {
  rig.request({ path, fields: ['traceparent', UNSAMPLED] });
  const { port, upstream, request } = rig.lastTry;
  const hasB3 = request.exchange.head.fields.plain.includes('b3');
  rig.lastTry.head(204, 0, NO_FIELDS);
  rig.lastTry.end();
  rig.settle();
  return { port, connectMs: upstream.timeouts.connectMs, hasB3 };
}

describe('a configuration on trial for a share of the requests', () => {
  it('has its own new upstreams, and leaves those that both have, and traces, until taken', async () => {
    const asBefore = { port: '1', connectMs: 1000, hasB3: true };
    const fresh = { fresh: { targets: [{ url: 'http://127.0.0.1:2' }] } };
    const other = configWith({ connect: '2s' }, TRACING, fresh);
    await rig.tryOut(other, 50);
    expect([next(), next()]).toEqual([asBefore, asBefore]);
    expect([next('/fresh').port, next('/fresh').port]).toEqual(['1', '2']);
    rig.takeBack();
    expect(next()).toEqual(asBefore);
    await rig.reload(other);
    expect(next()).toEqual({ port: '1', connectMs: 2000, hasB3: false });
  });
});
