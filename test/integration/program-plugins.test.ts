/** Plugins that a program gives as objects: their hooks run in the program, with what it has. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Gateway, Plugin, PluginHooks, ProgramConfig } from '../../src/index.js';
import { builtFile } from '../support/built-file.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';

const { createGateway } = (await import(
  builtFile('src/index.js')
)) as typeof import('../../src/index.js');

const CHAOS = { isChaosAllowed: true };

let upstream: FakeUpstream;
let gateway: Gateway;
/** What hooks have seen, here in the program. */
const finished: number[] = [];
let setups = 0;
let unloads = 0;

function pluginOf(name: string, hooks: PluginHooks): Plugin<never> {
  return { name, setup: () => hooks };
}

const everything: Plugin<{ readonly who: string }> = {
  name: 'everything',
  counters: ['asked'],
  options: { type: 'object', properties: { who: { type: 'string', default: 'you' } } },
  setup({ who }, context) {
    setups += 1;
    return {
      async authenticate(request) {
        if (request.header('x-key') === '') return { refuse: 'no key' };
        return { consumer: request.header('x-key'), claims: { role: 'tester' } };
      },
      async onRequest(request) {
        context.count('asked');
        if (request.path.endsWith('/tea')) return { status: 418, body: 'tea' };
        request.state.set('count', await context.store.increment('n'));
        request.setHeader('x-who', `${who} ${request.consumer} ${request.claims?.['role']}`);
        request.removeHeader('x-key');
        request.log('seen', true);
        return undefined;
      },
      onRequestBody: (body) => body.toString().toUpperCase(),
      onReply(reply, request) {
        reply.setHeader('x-count', String(request.state.get('count')));
        reply.appendHeader('set-cookie', 'a=1');
        if (request.path.endsWith('/moved')) reply.status = 203;
      },
      onReplyBody: (body, { request }) => `${body}, ${request.method}`,
      onFinish: ({ status }) => void finished.push(status),
      onUnload() {
        unloads += 1;
      },
    };
  },
};

const strange = pluginOf('strange', {
  onRequest(request) {
    if (request.path.endsWith('/throws')) throw new Error('no');
    if (request.path.endsWith('/never')) return new Promise(() => {});
    if (request.path.endsWith('/framing')) request.setHeader('content-length', '3');
    // A function is no plain data.
    if (request.path.endsWith('/odd')) return { status: 200, body: (() => '') as never };
    return undefined;
  },
});

/** Holds the program itself up: a loop without an end would end the test as well. */
const holds = pluginOf('holds', {
  onRequest() {
    const untilMs = Date.now() + 1200;
    while (Date.now() < untilMs);
  },
});

const route = (name: string, plugins: readonly string[]) => ({
  ...{ name, match: { path: `/${name}/*` }, upstream: 'api', plugins },
});

function configOf(options: Record<string, unknown> = {}): ProgramConfig {
  const budget = { wait: '500ms' };
  const patience = { budget: { cpu: '1s', wait: '30s' }, strikes: 1000 };
  return {
    listen: { port: 0, engine: 'wire' },
    admin: { port: 0, token: 'a-token-of-the-program' },
    logging: { level: 'silent', accessLog: false },
    workers: 2,
    plugins: [
      { name: 'everything', plugin: everything as Plugin<never>, options, ...patience },
      { name: 'strange', plugin: strange, strikes: 1000, budget },
      { name: 'holds', plugin: holds, onFailure: 'skip', strikes: 2, budget },
    ],
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      route('all', ['everything']),
      route('strange', ['strange']),
      route('holds', ['holds']),
      { name: 'plain', match: { path: '/*' }, upstream: 'api' },
    ],
  } as ProgramConfig;
}

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    if (request.method === 'POST') request.pipe(response);
    else response.end(`${request.headers['x-who']} ${request.headers['x-key']}`);
  });
  gateway = createGateway(configOf(), CHAOS);
  await gateway.start();
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const get = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${gateway.address.port}${path}`, {
    headers: { 'x-key': 'ada' },
    ...init,
  });

interface Row {
  readonly name: string;
  readonly state: string;
  readonly events: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

async function rowOf(name: string): Promise<Row | undefined> {
  const reply = await fetch(`http://127.0.0.1:${gateway.adminAddress.port}/plugins`);
  const { plugins } = (await reply.json()) as { plugins: readonly Row[] };
  return plugins.find((one) => one.name === name);
}

it('all hooks do what those of files do, once set up for all workers', async () => {
  expect((await get('/all/a', { headers: {} })).status).toBe(401);
  for (let count = 1; count <= 6; count += 1) {
    const reply = await get('/all/a');
    expect(await reply.text()).toBe('you ada tester undefined, GET');
    expect([reply.status, reply.headers.get('x-count')]).toEqual([200, String(count)]);
  }
  expect((await get('/all/moved')).status).toBe(203);
  expect((await get('/all/tea')).status).toBe(418);
  const posted = await get('/all/a', { method: 'POST', body: 'hello' });
  expect(await posted.text()).toBe('HELLO, POST');
  expect(posted.headers.get('set-cookie')).toBe('a=1');
  await eventually('all ends were told', () => finished.length === 10);
  expect([...new Set(finished)].sort()).toEqual([200, 203, 401, 418]);
  expect(setups).toBe(1);
  expect((await rowOf('everything'))?.events).toEqual({ asked: 9 });
});

it.each(['throws', 'never', 'framing', 'odd'])(
  'a hook that %s is a failure of its call',
  async (path) => {
    const reply = await get(`/strange/${path}`);
    expect([reply.status, await reply.text()]).toEqual([
      500,
      expect.stringContaining('GW_PLUGIN_FAILED'),
    ]);
    await eventually('others are served', async () => (await get('/strange/good')).status === 200);
  },
);

it('one that holds the program up holds up no worker, and is put out', async () => {
  const held = Promise.all([get('/holds/a'), get('/holds/b'), get('/holds/c')]);
  await sleep(0);
  for (const reply of await held) expect(reply.status).toBe(200);
  await eventually('it is out', async () => (await rowOf('holds'))?.state === 'out');
  expect((await get('/a')).status).toBe(200);
});

it('a worker that dies has them again, and nothing was set up anew', async () => {
  const { lanes } = gateway.supervisor;
  for (const lane of [0, 1]) expect(gateway.supervisor.injectWorkerFault(lane, 'crash')).toBe(true);
  await eventually('both were replaced', () => lanes.every(({ deaths }) => deaths >= 1));
  await eventually('requests are served', async () => (await get('/all/a')).status === 200);
  expect(setups).toBe(1);
});

it('other options set it up anew, the same leave it, and wrong ones are refused', async () => {
  expect((await gateway.apply(configOf())).outcome).toBe('applied');
  expect(setups).toBe(1);
  expect(await gateway.apply(configOf({ who: 7 }))).toMatchObject({
    outcome: 'refused',
    reasons: [expect.stringContaining('plugins[0].options.who: must be string')],
  });
  expect((await gateway.apply(configOf({ who: 'all' }))).outcome).toBe('applied');
  expect(await (await get('/all/a')).text()).toMatch(/^all ada/);
  expect(setups).toBe(2);
  expect((await gateway.rollback()).outcome).toBe('applied');
  expect(await (await get('/all/a')).text()).toMatch(/^you ada/);
  // The last instance is let go with the version after that which replaced it.
  await gateway.apply(configOf());
  await eventually('instances that nobody uses are let go', async () => {
    await gateway.apply(configOf());
    return unloads >= 1;
  });
});

it.each([
  [{ name: 'x' }, /plugins\[0\]\.file: it has no function setup/],
  [{ name: 'x', setup: () => ({ selectTarget: () => 'a' }) }, /selectTarget\(\) cannot be waited/],
  [{ name: 'x', setup: () => Promise.reject(new Error('no key')) }, /cannot be set up: no key/],
])('what is no plugin is refused: %j', async (plugin, reason) => {
  const plugins = [{ name: 'x', plugin }, ...(configOf().plugins ?? [])];
  const result = await gateway.apply({ ...configOf(), plugins } as ProgramConfig);
  expect(result).toMatchObject({ outcome: 'refused', reasons: [expect.stringMatching(reason)] });
});

it('a name that another process has written means nothing', async () => {
  const plugins = [{ name: 'x', file: 'program:1' }, ...(configOf().plugins ?? [])];
  expect(await gateway.apply({ ...configOf(), plugins })).toMatchObject({
    reasons: [expect.stringContaining('this process has no such plugin')],
  });
});
