/**
 * All exchanges share one hidden class, and so do their groups: reads on the hot path stay as cheap
 * as they are for one class. A field that is added later, or set in another order, breaks that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_FIELDS } from '../../src/base/field-block.js';
import type { GatewayConfig } from '../../src/config/gateway-config.js';
import type { Exchange } from '../../src/worker/exchange/exchange.js';
import { ExchangeTable } from '../../src/worker/exchange/exchange-table.js';
import { makeExchange } from '../support/make-exchange.js';
import { WorkerRig } from '../support/worker-rig.js';
import { GROUPS } from './exchange-rules.js';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap: (one: object, other: object) => boolean = runInNewContext(
  '(one, other) => %HaveSameMap(one, other)',
);

const CONFIG: GatewayConfig = {
  upstreams: {
    api: {
      targets: [{ url: 'http://127.0.0.1:8001' }, { url: 'http://127.0.0.1:8002' }],
      retry: { attempts: 2, on: ['reset', 503] },
      hedge: { after: '100ms' },
      adaptiveConcurrency: {},
    },
  },
  routes: [
    { name: 'api', match: { path: '/api/*' }, upstream: 'api' },
    {
      name: 'limited',
      match: { path: '/limited' },
      upstream: 'api',
      rateLimit: { limit: 1, window: '1h' },
    },
    {
      name: 'edited',
      match: { path: '/edited/:id' },
      upstream: 'api',
      rewrite: { headers: { set: { 'x-fixed': 'yes' } }, body: { remove: ['/secret'] } },
      rewriteReply: { body: { remove: ['/secret'] } },
    },
    { name: 'hello', match: { path: '/hello' }, respond: { status: 200, body: 'hello' } },
  ],
};

/** Requests from head to finish, each of another kind. */
const LIVES: Readonly<Record<string, (rig: WorkerRig) => void>> = {
  'finds no route': (rig) => {
    rig.request({ path: '/nowhere' });
  },
  'is answered by the gateway': (rig) => {
    rig.request({ path: '/hello', method: 'HEAD' });
  },
  'is refused by a limit': (rig) => {
    rig.request({ path: '/limited' });
    rig.lastTry.head(204, -1, NO_FIELDS);
    rig.lastTry.end();
    rig.request({ path: '/limited' });
  },
  'is answered by its first target': (rig) => {
    rig.request({ path: '/api/a?b=c' });
    rig.lastTry.head(200, 5, NO_FIELDS);
    rig.lastTry.data('hello', true);
  },
  'is retried, hedged, and cut in the end': (rig) => {
    rig.request({ path: '/api/a' });
    rig.lastTry.head(503, 0, NO_FIELDS);
    rig.lastTry.end();
    rig.advance(1000);
    rig.lastTry.head(200, 9, NO_FIELDS);
    rig.settle();
    rig.lastTry.data('half');
    rig.lastTry.fail(new Error('reset'));
  },
  'uploads a stream, and leaves': (rig) => {
    const client = rig.request({ path: '/api/a', method: 'POST', bodyBytes: -1 });
    client.send('a piece', false);
    rig.settle();
    client.leave();
  },
  'has its body and its reply edited': (rig) => {
    const fields = ['content-type', 'application/json'];
    const client = rig.request({ path: '/edited/7', method: 'POST', bodyBytes: 14, fields });
    client.send('{"secret": 12}', true);
    rig.settle();
    rig.lastTry.head(200, -1, NO_FIELDS);
    rig.lastTry.data('{}', true);
  },
};

/** Every exchange that begins, in the order in which they do. */
const exchanges: Exchange[] = [];

async function live(name: string): Promise<readonly Exchange[]> {
  const before = exchanges.length;
  const rig = await WorkerRig.create(CONFIG);
  LIVES[name]?.(rig);
  rig.advance(200);
  await rig.close();
  return exchanges.slice(before);
}

function partsOf(exchange: Exchange): readonly object[] {
  const groups = Object.keys(GROUPS).map((name) => Reflect.get(exchange, name) as object | null);
  // A request that is no call of gRPC has no such group.
  return [exchange, ...groups.filter((group) => group !== null)];
}

describe('an exchange', () => {
  beforeAll(async () => {
    const { add } = ExchangeTable.prototype;
    vi.spyOn(ExchangeTable.prototype, 'add').mockImplementation(function (
      this: ExchangeTable,
      exchange,
    ) {
      exchanges.push(exchange);
      add.call(this, exchange);
    });
    // Each kind of value is seen once: from then on the classes are as general as they will be.
    for (const name of Object.keys(LIVES)) await live(name);
  });

  it.each(Object.keys(LIVES))('that %s has the hidden classes of a new one', async (name) => {
    const lived = await live(name);
    expect(lived.length).toBeGreaterThan(0);
    const fresh = partsOf(makeExchange());
    for (const exchange of lived) {
      expect(exchange.isFinished).toBe(true);
      for (const [at, part] of partsOf(exchange).entries()) {
        const like = fresh[at] ?? {};
        expect(Object.keys(part)).toEqual(Object.keys(like));
        expect(haveSameMap(part, like), part.constructor.name).toBe(true);
      }
    }
  });

  it('with one field more has another class', () => {
    const [one, other] = [makeExchange(), makeExchange()];
    expect(haveSameMap(one.reply, other.reply)).toBe(true);
    Object.assign(one.reply, { added: 1 });
    expect(haveSameMap(one.reply, other.reply)).toBe(false);
  });
});
