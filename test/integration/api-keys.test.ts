/**
 * API keys that are made, rotated and taken back over the admin listener: in all workers of all
 * gateways that share a store before the reply, and over restarts where they are in a file.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { redisMissing } from '../support/redis-server.js';
import {
  ADMIN_TOKEN,
  askAdmin,
  onceStoreAnswers,
  SharedGateways,
} from '../support/shared-gateways.js';

interface KeyReply {
  readonly id: string;
  readonly key: string;
  readonly masked: string;
  readonly consumer: string;
  readonly kept: string;
  readonly acknowledged: readonly string[];
  readonly missing: readonly string[];
  readonly detail: string;
}

interface WorkerRow {
  readonly served: boolean;
  readonly deaths: number;
}

interface KeyList {
  readonly kept: string;
  readonly known: boolean;
  readonly keys: readonly KeyReply[];
}

function configWith(keys: object, rest: object = {}): Record<string, unknown> {
  const partners = { type: 'apiKey', header: 'x-key', managed: true };
  return {
    workers: 2,
    logging: { accessLog: false },
    admin: { port: 0, token: ADMIN_TOKEN },
    keys,
    authenticators: { partners, others: { ...partners, header: 'x-other' } },
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:9' }] } },
    routes: [
      { name: 'a', match: { path: '/a' }, respond: { status: 204 }, authenticate: ['partners'] },
      { name: 'b', match: { path: '/b' }, respond: { status: 204 }, authenticate: ['others'] },
      {
        name: 'read',
        match: { path: '/read' },
        respond: { status: 204 },
        authenticate: ['partners'],
        authorize: { scopes: ['read'] },
      },
    ],
    ...rest,
  };
}

const tryToCreate = (gateway: GatewayProcess, wish: object = {}) =>
  askAdmin<KeyReply>(gateway, 'POST', '/keys', {
    authenticator: 'partners',
    consumer: 'ada',
    ...wish,
  });
const tryToRevoke = (gateway: GatewayProcess, id: string) =>
  askAdmin<KeyReply>(gateway, 'DELETE', `/keys/${id}`);

// Who else has acknowledged in time depends on the machine; all hear of it.
const create = (gateway: GatewayProcess, wish: object = {}) =>
  onceStoreAnswers(() => tryToCreate(gateway, wish));
const rotate = (gateway: GatewayProcess, id: string, wish?: object) =>
  onceStoreAnswers(() => askAdmin<KeyReply>(gateway, 'POST', `/keys/${id}/rotate`, wish));
const revoke = (gateway: GatewayProcess, id: string) =>
  onceStoreAnswers(() => tryToRevoke(gateway, id));
const list = (gateway: GatewayProcess) => askAdmin<KeyList>(gateway, 'GET', '/keys');

/** Of many requests at once, so that both workers have some. */
async function statuses(
  gateway: GatewayProcess,
  key: string,
  path = '/a',
  field = 'x-key',
): Promise<string> {
  const all = await Promise.all(
    Array.from({ length: 16 }, async () => {
      return (await fetch(gateway.url + path, { headers: { [field]: key } })).status;
    }),
  );
  return [...new Set(all)].join();
}

/**
 * Waits until requests with this key get this status: a gateway that is late hears of a change
 * after it was answered. That others are not late is shown where their threads are ours
 * (test/unit/supervisor/api-keys.test.ts).
 */
async function get(
  gateway: GatewayProcess,
  key: string,
  status: string,
  path = '/a',
  field = 'x-key',
): Promise<void> {
  await eventually(`${path} answers ${status}`, async () => {
    return (await statuses(gateway, key, path, field)) === status;
  });
}

describeUnless(redisMissing(), 'API keys of gateways that share a store', () => {
  let both: SharedGateways;
  let client: Redis;

  beforeAll(async () => {
    both = await SharedGateways.start((store) => configWith({ store: true }, { store }));
    for (const gateway of [both.first, both.second]) {
      await eventually('keys are known', async () => (await list(gateway)).body.known);
    }
    client = new Redis({ port: both.redis.port });
  });

  afterAll(async () => {
    client?.disconnect();
    await both?.stop();
  });

  it('let callers in at both from the reply on, for their authenticator and scopes only', async () => {
    const { first, second } = both;
    let made = await create(first, { scopes: ['write'] });
    await eventually('the other one acknowledges in time', async () => {
      if (made.status === 201) return true;
      made = await create(first, { scopes: ['write'] });
      return false;
    });
    const { body } = made;
    expect(body).toMatchObject({ consumer: 'ada', kept: 'store', missing: [] });
    expect(body.acknowledged.length).toBe(1);
    for (const gateway of [first, second]) {
      await get(gateway, body.key, '204');
      await get(gateway, body.key, '403', '/read');
      await get(gateway, body.key, '401', '/b', 'x-other');
      const changed = `${body.key.slice(0, -1)}${body.key.endsWith('A') ? 'B' : 'A'}`;
      await get(gateway, changed, '401');
    }
    // It is shown once, and neither it nor its hash is in the store.
    const shown = await list(second);
    expect(shown.body).toMatchObject({ kept: 'store', known: true });
    expect(shown.body.keys.map(({ id }) => id)).toContain(body.id);
    expect(shown.text).not.toContain(body.key);
    expect(shown.text).not.toContain('sha256');
    const kept = Object.values(await client.hgetall('sluice:api:keys'));
    expect(kept.length).toBeGreaterThan(0);
    expect(Buffer.from(kept[0] ?? '', 'base64url').toString('latin1')).not.toMatch(/ada|sha256/);
    const said = [first, second].map(({ stdout, stderr }) => stdout + stderr).join();
    expect(said).not.toContain(body.key);
  });

  it('are rotated and taken back in both before the reply', async () => {
    const { first, second } = both;
    const { body } = await create(first, { scopes: ['read'] });
    const next = (await rotate(second, body.id, { grace: '1h' })).body;
    expect(next.id).toBe(body.id);
    for (const gateway of [first, second]) {
      await get(gateway, body.key, '204', '/read');
      await get(gateway, next.key, '204', '/read');
    }
    const last = (await rotate(first, body.id)).body;
    for (const gateway of [first, second]) {
      await get(gateway, body.key, '401');
      await get(gateway, next.key, '401');
      await get(gateway, last.key, '204');
    }
    const { status, body: gone } = await revoke(second, body.id);
    expect([200, 202]).toContain(status);
    expect(gone.key).toBe(undefined);
    for (const gateway of [first, second]) await get(gateway, last.key, '401');
    expect((await revoke(first, body.id)).status).toBe(404);
    expect((await rotate(first, body.id)).status).toBe(404);
  });

  it('end by themselves', async () => {
    const { first } = both;
    const { body } = await create(first, { expiresIn: '1s' });
    await get(first, body.key, '401');
    expect((await list(first)).body.keys.map(({ id }) => id)).not.toContain(body.id);
    const short = (await create(first)).body;
    const { body: next } = await rotate(first, short.id, { grace: '1s' });
    await eventually('the one before has ended', async () => {
      return (await statuses(first, short.key)) === '401';
    });
    await get(first, next.key, '204');
  });

  it('say who does not know of a change, which then catches up', async () => {
    const { first, second, proxy } = both;
    const { body } = await create(first);
    proxy.cut();
    await eventually('the store is lost', async () => (await tryToCreate(second)).status === 503);
    await get(second, body.key, '204');
    const { status, body: gone } = await revoke(first, body.id);
    expect(status).toBe(202);
    expect(gone.missing.length).toBe(1);
    await get(first, body.key, '401');
    expect((await tryToRevoke(second, body.id)).status).toBe(503);
    proxy.heal();
    await eventually('it has heard', async () => (await statuses(second, body.key)) === '401');
  });

  it('that a worker does not know are known to the one that replaces it', async () => {
    const { first } = both;
    const { body } = await create(first);
    await fetch(`${first.adminUrl}/chaos/worker/0/crash`, { method: 'POST' });
    await eventually('another worker serves', async () => {
      const { workers } = await first.stats<{ workers: readonly WorkerRow[] }>();
      return workers[0]?.deaths === 1 && workers.every(({ served }) => served);
    });
    await get(first, body.key, '204');
    await revoke(first, body.id);
    await get(first, body.key, '401');
  });

  it('are made for whoever has the token, and as the request must be', async () => {
    const { first } = both;
    const bare = await fetch(`${first.adminUrl}/keys`);
    expect(bare.status).toBe(401);
    const wrong = [
      { consumer: '' },
      { consumer: 'a\nb' },
      { consumer: 'x'.repeat(257) },
      { scopes: 'read' },
      { scopes: ['a b'] },
      { expiresIn: 'soon' },
      { expiresIn: '0s' },
      { expiresIn: '9999d' },
      { authenticator: 'nobody' },
      { authenticator: undefined },
      { secret: 'mine' },
    ];
    for (const wish of wrong) {
      const { status, body } = await create(first, wish);
      expect([wish, status]).toEqual([wish, 400]);
      expect(body.detail).not.toBe('');
    }
    for (const id of ['x', '0'.repeat(16), '%00', `${'0'.repeat(16)}%2Frotate`]) {
      expect((await revoke(first, id)).status).toBe(404);
    }
    expect((await revoke(first, `${'0'.repeat(16)}/rotate`)).status).toBe(405);
    expect((await askAdmin(first, 'POST', `/keys/${'0'.repeat(16)}`)).status).toBe(405);
    expect((await rotate(first, '0'.repeat(16), { grace: 5 })).status).toBe(400);
  });
});

describe('API keys in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  const file = join(folder, 'keys.json');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('outlive a gateway that is killed as soon as it has answered', async () => {
    let gateway = await GatewayProcess.start(configWith({ file }));
    const made = await Promise.all([create(gateway), create(gateway), create(gateway)]);
    const [kept, gone] = made.map(({ body }) => body);
    if (kept === undefined || gone === undefined) throw new Error('no key was made');
    await get(gateway, gone.key, '204');
    expect((await revoke(gateway, gone.id)).status).toBe(200);
    await gateway.kill();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(kept.key);
    gateway = await GatewayProcess.start(configWith({ file }));
    try {
      expect((await list(gateway)).body.keys.length).toBe(2);
      await get(gateway, kept.key, '204');
      await get(gateway, gone.key, '401');
    } finally {
      await gateway.kill();
    }
    writeFileSync(file, '{"version": 1, "keys": [{"id": "half');
    const broken = GatewayProcess.spawn(configWith({ file }));
    await broken.exited;
    expect(broken.exitCode).not.toBe(0);
    expect(`${broken.stdout}${broken.stderr}`).toContain('does not hold the keys');
  });
});
