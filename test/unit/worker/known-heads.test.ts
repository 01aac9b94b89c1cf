/**
 * A worker that is told that it has seen a head does with it what it would do with any: the same
 * goes to targets, to clients and to the log.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { field, NO_FIELDS } from '../../../src/base/field-block.js';
import type { GatewayConfig } from '../../../src/config/gateway-config.js';
import { KnownHeads } from '../../../src/worker/exchange/known-heads.js';
import { buildForwardedHead } from '../../../src/worker/upstream/forwarded-head.js';
import { below, type Random, seeded } from '../../fuzz/mutations.js';
import { JWT_SECRET } from '../../support/configs.js';
import { eventually } from '../../support/eventually.js';
import { signHs256 } from '../../support/hs256-token.js';
import { type RigClient, type RigRequest, WorkerRig } from '../../support/worker-rig.js';

const LOG = { level: 'warn', accessLog: { headers: ['user-agent'] } } as const;

function configOf(added: string, top: Partial<GatewayConfig> = {}): GatewayConfig {
  return {
    logging: LOG,
    trustedProxies: ['192.0.2.7'],
    requestId: { accept: 'trustedProxies' },
    authenticators: {
      users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET },
      told: {
        type: 'jwt',
        algorithms: ['HS256'],
        secret: JWT_SECRET,
        forwardCredentials: true,
        claimHeaders: { 'x-user': 'sub' },
      },
    },
    upstreams: {
      api: {
        targets: [{ url: 'http://127.0.0.1:8001' }, { url: 'http://127.0.0.1:8002' }],
        retry: { attempts: 1, on: [503] },
      },
      other: { targets: [{ url: 'http://127.0.0.1:8003' }], preserveHost: true },
    },
    routes: [
      { name: 'plain', match: { path: '/plain/*' }, upstream: 'api' },
      {
        name: 'chosen',
        match: { priority: 1, path: '/chosen', headers: { 'x-kind': 'a' } },
        upstream: 'other',
      },
      { name: 'asked', match: { path: '/chosen', query: { kind: 'b' } }, upstream: 'api' },
      { name: 'rest', match: { path: '/chosen' }, respond: { body: 'none' } },
      {
        name: 'changed',
        match: { path: '/changed/:id' },
        upstream: 'api',
        rewrite: {
          path: `/v2/\${params.id}/${added}`,
          query: { remove: ['debug'] },
          headers: { set: { 'x-from': `\${clientIp}` }, remove: ['x-kind'] },
        },
      },
      { name: 'secret', match: { path: '/secret' }, upstream: 'api', authenticate: ['users'] },
      { name: 'told', match: { path: '/told' }, upstream: 'other', authenticate: ['told'] },
      {
        name: 'few',
        match: { path: '/few' },
        upstream: 'api',
        rateLimit: { limit: 3, window: '1m', key: 'clientIp' },
      },
      {
        name: 'stripped',
        match: { path: '/old/*' },
        upstream: 'api',
        rewrite: { stripPrefix: '/old' },
      },
    ],
    ...top,
  };
}

const SOON = Math.floor(Date.now() / 1000) + 3600;
const TOKEN = signHs256({ sub: 'ada', exp: SOON });
const OTHER = signHs256({ sub: 'bob', exp: SOON });
const FALSE = `${TOKEN.slice(0, -8)}AAAAAAAA`;

const HEADS: readonly RigRequest[] = [
  { path: '/plain/a' },
  { path: '/plain/a?b=1' },
  { path: '/plain/%61//b/../c' },
  { path: '/plain/%2e%2e%2fsecret' },
  { path: '/plain/x', fields: ['x-request-id', 'mine', 'x-forwarded-for', '203.0.113.9'] },
  { path: '/plain/x', fields: ['connection', 'x-kind', 'x-kind', 'a', 'via', '1.1 before'] },
  { path: '/plain/x', fields: ['x-forwarded-proto', 'https', 'x-real-ip', '203.0.113.1'] },
  { path: '/plain/x', fields: ['forwarded', 'for=203.0.113.7', 'cookie', 'a=1', 'cookie', 'b=2'] },
  { path: '/plain/x', fields: ['cdn-loop', 'other; a=1', 'user-agent', 'a "b"'] },
  { path: '/plain/x', fields: ['authorization', 'Basic eDp5'] },
  { path: '/plain/y', method: 'OPTIONS', fields: ['max-forwards', '3'] },
  { path: '/plain/y', method: 'TRACE', fields: ['max-forwards', '0'] },
  { path: '/plain/y', method: 'HEAD' },
  { path: '/plain/y', method: 'POST', bodyBytes: 3 },
  { path: '/plain/y', method: 'POST', bodyBytes: -1 },
  { path: '/chosen', fields: ['x-kind', 'a'] },
  { path: '/chosen?kind=b' },
  { path: '/chosen' },
  { path: '/changed/7?debug=1&b=2', fields: ['x-kind', 'a'] },
  { path: '/changed/8' },
  { path: '/secret' },
  { path: '/secret', fields: ['authorization', `Bearer ${TOKEN}`] },
  { path: '/secret', fields: ['authorization', `Bearer ${OTHER}`] },
  { path: '/secret', fields: ['authorization', `Bearer ${FALSE}`] },
  { path: '/told', fields: ['authorization', `Bearer ${TOKEN}`] },
  { path: '/few' },
  { path: '/old/b', fields: ['x-kind', 'a'] },
  { path: '/nowhere' },
  { path: '/plain/z', fields: ['x-long', 'y'.repeat(300), 'x-latin', '\xe4\xff'] },
];

interface Message extends RigRequest {
  readonly headNumber: number;
}

/** Requests of some connections, numbered as an acceptor does it. */
function messagesOf(random: Random, count: number): Message[] {
  const last = new Map<number, { readonly head: RigRequest; number: number }>();
  const messages: Message[] = [];
  let numbers = 0;
  while (messages.length < count) {
    const connection = below(random, 4);
    const before = last.get(connection);
    if (before !== undefined && below(random, 4) > 0) {
      if (before.number === 0) before.number = ++numbers;
      messages.push({ ...before.head, headNumber: before.number });
      continue;
    }
    const head = HEADS[below(random, HEADS.length)] ?? {};
    last.set(connection, { head, number: 0 });
    messages.push({ ...head, headNumber: 0 });
  }
  return messages;
}

const rigs: WorkerRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function aRig(config: GatewayConfig): Promise<WorkerRig> {
  const rig = await WorkerRig.create(config);
  rigs.push(rig);
  return rig;
}

/** What came of one request. */
async function outcomeOf(rig: WorkerRig, message: Message): Promise<unknown> {
  const triesBefore = rig.tries.length;
  const recordsBefore = rig.records.length;
  const client = rig.request(message);
  if (message.bodyBytes !== undefined) client.send('abc', true);
  // A token that is seen for the first time is verified aside.
  await eventually('a try or a reply', () => {
    rig.settle();
    return !client.isWaiting || rig.tries.length > triesBefore;
  });
  if (rig.tries.length > triesBefore) answer(rig, client);
  const heads = rig.tries.slice(triesBefore).map(({ request }) => buildForwardedHead(request));
  const { status, fields, body, isEnded } = client;
  return { heads, status, fields, body, isEnded, records: rig.records.slice(recordsBefore) };
}

/** Each third try fails, so that the same head goes to another target. */
function answer(rig: WorkerRig, client: RigClient): void {
  if (rig.tries.length % 3 === 0) {
    rig.lastTry.head(503, 0, NO_FIELDS);
    rig.lastTry.end();
    rig.settle();
    rig.advance(1000);
  }
  if (!client.isWaiting) return;
  rig.lastTry.head(200, 2, field('X-A', '1'));
  rig.lastTry.data('ok', true);
  rig.settle();
}

async function outcomes(config: GatewayConfig, next: GatewayConfig, messages: readonly Message[]) {
  const rig = await aRig(config);
  const all: unknown[] = [];
  for (const [at, message] of messages.entries()) {
    if (at === messages.length >> 1) await rig.reload(next);
    all.push(await outcomeOf(rig, message));
  }
  expect(rig.errors).toEqual([]);
  return all;
}

describe('a head that the worker has seen', () => {
  it.each([
    ['with routes alone', {}],
    ['with a filter for all of them', { ipFilter: { deny: ['203.0.113.9'] } }],
    ['with ids that anyone may choose', { requestId: { accept: 'anyone' } }],
  ] as const)('comes to the same as one that is new, %s', async (_, top) => {
    const config = configOf('a', top as never);
    const next = configOf('b', top as never);
    const messages = messagesOf(seeded(9110), 400);
    const known = await outcomes(config, next, messages);
    const read = await outcomes(
      config,
      next,
      messages.map((message) => ({ ...message, headNumber: 0 })),
    );
    expect(known).toEqual(read);
  });

  it('is known by its number, until the configuration or the acceptor is another', async () => {
    const rig = await aRig(configOf('a'));
    const pathFor = (path: string, headNumber: number) => {
      rig.request({ path, headNumber });
      return rig.lastTry.request.path;
    };
    // No acceptor gives two heads one number: here that shows whose bytes are read.
    expect(pathFor('/plain/1', 7)).toBe('/plain/1');
    expect(pathFor('/plain/2', 7)).toBe('/plain/1');
    expect(pathFor('/plain/2', 8)).toBe('/plain/2');
    expect(pathFor('/plain/3', 7 + 2 ** 32)).toBe('/plain/3');
    expect(pathFor('/plain/4', 7)).toBe('/plain/4');
    rig.changeLane();
    expect(pathFor('/plain/5', 8)).toBe('/plain/5');
    expect(pathFor('/changed/5', 9)).toBe('/v2/5/a');
    await rig.reload(configOf('b'));
    expect(pathFor('/changed/5', 9)).toBe('/v2/5/b');
    expect(pathFor('/changed/6', 9)).toBe('/v2/5/b');
  });

  it('is forgotten with the last request of an earlier configuration', async () => {
    const rig = await aRig(configOf('a'));
    rig.request({ path: '/plain/1', headNumber: 7 });
    rig.lastTry.head(200, 0, NO_FIELDS);
    rig.lastTry.end();
    rig.settle();
    await rig.reload(configOf('b'));
    rig.advance(10_000);
    rig.request({ path: '/plain/2', headNumber: 7 });
    expect(rig.lastTry.request.path).toBe('/plain/2');
  });

  it('is another one at another listener, which a reload may give to its connection', () => {
    const heads = new KnownHeads();
    const known = heads.keep(7, 0, []);
    expect([heads.find(7, 0), heads.find(7, 1)]).toEqual([known, null]);
  });
});
