/** Records in a real store: sealed, bound to their names, and written over by one of several. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StoreValue } from '../../src/channel/store/store-messages.js';
import { deriveKey, Sealer } from '../../src/filters/authentication/sealed-text.js';
import { StoredRecords } from '../../src/supervisor/shared/sealed-records.js';
import type { StoreSupervisor } from '../../src/supervisor/store-supervisor.js';
import { eventually } from '../support/eventually.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import { STORE_SECRET } from '../support/shared-gateways.js';

describeUnless(redisMissing(), 'sealed records', () => {
  let redis: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    redis = await RedisServer.start();
    client = new Redis({ port: redis.port });
  });

  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  /** The commands of the store, without its thread. */
  const recordsOf = (area: string, secret = STORE_SECRET): StoredRecords => {
    const run = async ([name = '', ...values]: readonly (string | number)[]) =>
      (await client.call(String(name), ...values)) as StoreValue;
    const store = { run, keyOf: (of: string, name: string) => `sluice:${of}:${name}` };
    const sealer = new Sealer(deriveKey(secret, 'records'));
    return new StoredRecords(store as unknown as StoreSupervisor, sealer, area);
  };

  it('are read by whoever has the secret, under their name only, until their time is over', async () => {
    const records = recordsOf('a');
    expect(await records.get('one')).toBe(null);
    await records.set('one', 'a value that nobody reads', 60_000);
    expect((await recordsOf('a').get('one'))?.value).toBe('a value that nobody reads');
    const sealed = (await client.get('sluice:a:one')) ?? '';
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('value');
    expect(await client.pttl('sluice:a:one')).toBeGreaterThan(50_000);
    // Neither another secret, nor another name, nor another area opens it.
    expect(await recordsOf('a', `${STORE_SECRET}!`).get('one')).toBe(null);
    await client.set('sluice:a:two', sealed);
    await client.set('sluice:b:one', sealed);
    expect(await records.get('two')).toBe(null);
    expect(await recordsOf('b').get('one')).toBe(null);
    await records.set('short', 'x', 1);
    await eventually('it is gone', async () => (await records.get('short')) === null);
    expect(await records.delete('one')).toBe(true);
    expect(await records.delete('one')).toBe(false);
  });

  it('are written over by one of several at the same time', async () => {
    const records = recordsOf('c');
    const first = await records.compareAndSet('one', null, '0', 60_000);
    expect(first).toBeDefined();
    expect(await records.compareAndSet('one', null, 'again', 60_000)).toBe(undefined);
    const version = (await records.get('one'))?.version;
    expect(version).toBe(first);
    const tries = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        records.compareAndSet('one', version ?? '', `${at}`, 60_000),
      ),
    );
    const won = tries.findIndex((one) => one !== undefined);
    expect(tries.filter((one) => one !== undefined).length).toBe(1);
    expect(await records.get('one')).toEqual({ value: `${won}`, version: tries[won] });
  });
});
