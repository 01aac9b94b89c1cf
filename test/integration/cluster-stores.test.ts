/**
 * The kinds of stores that limits over several gateways are counted in: with a user of few rights,
 * over TLS, by a Sentinel, and as a Redis Cluster. Each is a real server.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, expect, it } from 'vitest';
import type { CompiledStore } from '../../src/config/store-settings.js';
import { freePort } from '../support/client-rig.js';
import { ClusterNode, type LimitWish, turnUntil } from '../support/cluster-node.js';
import { eventually } from '../support/eventually.js';
import { describeUnless } from '../support/not-run.js';
import { runProgram, ServingProgram } from '../support/programs.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import { TestAuthority } from '../support/test-authority.js';

const LIMITS: LimitWish[] = [{ limit: 5, windowMs: 3_600_000, onStoreLost: 'closed' }];

describeUnless(redisMissing(), 'limits over several gateways are counted', () => {
  const ends: (() => Promise<void>)[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'sluice-stores-'));

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function aFile(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function aRedis(settings: readonly string[] = []): Promise<RedisServer> {
    const redis = await RedisServer.start(settings);
    ends.push(() => redis.stop());
    return redis;
  }

  async function twoNodes(port: number, store: Partial<CompiledStore>) {
    const wish = { port, limits: LIMITS, store };
    const nodes = await Promise.all([ClusterNode.start(wish), ClusterNode.start(wish)]);
    ends.push(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    });
    return nodes;
  }

  /** How many of the six requests of each of these keys are admitted, at two gateways by turns. */
  async function admitted(nodes: readonly ClusterNode[], keys: readonly number[]) {
    const counts: number[] = [];
    for (const key of keys) {
      let count = 0;
      for (let at = 0; at < 6; at += 1) {
        if ((await nodes[at % nodes.length]?.decide(0, key))?.isAdmitted === true) count += 1;
      }
      counts.push(count);
    }
    return counts;
  }

  it('for a user who may do no more than the document says', async () => {
    const redis = await aRedis();
    const document = readFileSync(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8');
    const rule = /^ACL SETUSER sluice on >PASSWORD (.*)$/m.exec(document)?.[1];
    if (rule === undefined) throw new Error('the document names no rights');
    const owner = (await twoNodes(redis.port, {}))[0]?.client;
    await owner?.call('ACL', 'SETUSER', 'sluice', 'on', '>secret', ...rule.split(' '));
    await owner?.call('ACL', 'SETUSER', 'default', 'resetpass', '>another');
    const user = { username: 'sluice', password: 'secret', database: 3 };
    expect(await admitted(await twoNodes(redis.port, user), [1])).toEqual([5]);
  });

  it('over TLS, and not where the certificate is of nobody who is trusted', async () => {
    const authority = new TestAuthority();
    const { cert, key } = authority.sign({ names: 'DNS:localhost' });
    const [certFile, keyFile] = [aFile('store.pem', cert), aFile('store.key', key)];
    const tlsPort = await freePort();
    await aRedis([
      ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
      ...['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile],
    ]);
    const tls = { ca: authority.cert, cert: '', key: '', serverName: 'localhost', verifies: true };
    expect(await admitted(await twoNodes(tlsPort, { tls }), [1])).toEqual([5]);
    const stranger = ClusterNode.create({
      port: tlsPort,
      limits: LIMITS,
      store: { tls: { ...tls, ca: '' } },
    });
    ends.push(() => stranger.stop());
    const failed = new Promise<Error>((resolve) => stranger.client.once('error', resolve));
    expect((await failed).message).toMatch(/certificate/);
    expect(stranger.isUp).toBe(false);
  });

  it('in a Redis Cluster, where keys of one question lie on several nodes', async () => {
    const aMember = async () => {
      const busPort = String(await freePort());
      return aRedis(['--cluster-enabled', 'yes', '--cluster-port', busPort]);
    };
    const servers = [await aMember(), await aMember(), await aMember()];
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
    const made = await runProgram('redis-cli', [
      ...['--cluster', 'create', ...addresses, '--cluster-yes'],
    ]);
    expect(made.stdout).toContain('All 16384 slots covered');
    const nodes = await twoNodes(servers[0]?.port ?? 0, { kind: 'cluster' });
    const keys = Array.from({ length: 12 }, (_, at) => at + 1);
    // All at once: a batch for each tag.
    for (const key of keys) for (const node of nodes) node.request(0, key);
    await turnUntil(nodes, () => nodes.every(({ waiting }) => waiting === 0));
    expect(nodes.flatMap(({ decisions }) => decisions).every((one) => one.isAdmitted)).toBe(true);
    // Two are used of each.
    expect(await admitted(nodes, keys)).toEqual(keys.map(() => 3));
  });

  /** A Sentinel that watches this primary. Returns its port. */
  async function aSentinel(primary: RedisServer): Promise<number> {
    const port = await freePort();
    const settings = [
      `port ${port}`,
      `dir ${folder}`,
      `sentinel monitor m 127.0.0.1 ${primary.port} 1`,
      'sentinel down-after-milliseconds m 500',
      'sentinel failover-timeout m 5000',
    ];
    const file = aFile(`sentinel-${port}.conf`, `${settings.join('\n')}\n`);
    const sentinel = await ServingProgram.start('redis-sentinel', [file], port);
    ends.push(() => sentinel.stop());
    return port;
  }

  const BY_SENTINEL = {
    kind: 'sentinel',
    sentinel: { name: 'm', username: '', password: '' },
  } as const;

  it('in a server that a Sentinel names', async () => {
    const nodes = await twoNodes(await aSentinel(await aRedis()), BY_SENTINEL);
    expect(await admitted(nodes, [1])).toEqual([5]);
  });

  it('in the replica that takes the place of a primary that dies', async () => {
    const primary = await aRedis(['--repl-diskless-sync-delay', '0']);
    const replica = await aRedis(['--replicaof', '127.0.0.1', String(primary.port)]);
    const port = await aSentinel(primary);
    const clientOf = (at: number) => {
      const client = new Redis({ port: at, host: '127.0.0.1', maxRetriesPerRequest: 1 });
      ends.push(async () => client.disconnect());
      return client;
    };
    const [sentinel, owner] = [clientOf(port), clientOf(primary.port)];
    await eventually('the Sentinel knows the replica', async () => {
      const known = await sentinel.call('SENTINEL', 'REPLICAS', 'm');
      return JSON.stringify(known).includes(`127.0.0.1:${replica.port}`);
    });
    const nodes = await twoNodes(port, BY_SENTINEL);
    // A slow machine may lose an answer, and with it what that has given.
    let key = 1;
    const givesAll = async () => {
      key += 1;
      return (await admitted(nodes, [key]))[0] === 5;
    };
    await eventually('all of a key is used', givesAll);
    const used = key;
    await owner.set('last', 1);
    expect(await owner.wait(1, 0)).toBe(1);
    owner.disconnect();
    await primary.kill();
    await eventually('the primary is missed', () => nodes.every(({ isUp }) => !isUp));
    await eventually('the replica is used', () => nodes.every(({ isUp }) => isUp));
    // For two seconds it is told what was used, and gives nothing.
    await eventually('all of another key is given', givesAll);
    expect(await admitted(nodes, [used])).toEqual([0]);
  });
});
