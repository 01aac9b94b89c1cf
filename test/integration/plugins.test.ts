/**
 * Plugins through a real gateway: what they change, and that none of them takes it down.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const TOKEN = 'a-token-for-tests-of-plugins';

const folder = mkdtempSync(join(tmpdir(), 'sluice-plugins-'));
let upstream: FakeUpstream;
let other: FakeUpstream;
let gateway: GatewayProcess;

/** A plugin whose hooks are these. */
function write(name: string, hooks: string, parts = ''): string {
  const file = join(folder, `${name}.js`);
  const text = `import { definePlugin } from 'sluice';
import { hello } from './lib/hello.js';
export default definePlugin({
  name: '${name}',
  ${parts}
  setup(options, context) {
    return { ${hooks} };
  },
});
`;
  writeFileSync(file, text);
  return file;
}

function plugin(name: string, hooks: string, more: Readonly<Record<string, unknown>> = {}) {
  const { parts = '', ...config } = more;
  return { name, file: write(name, hooks, String(parts)), ...config };
}

const OPTIONS = `counters: ['greetings'],
  options: {
    type: 'object',
    properties: { who: { type: 'string', default: 'nobody' } },
    additionalProperties: false,
  },`;

const route = (name: string, plugins: readonly string[]) => ({
  ...{ name, match: { path: `/${name}/*` }, upstream: 'api', plugins },
});

let edits: ReturnType<typeof plugin>;

/** The usual configuration, with these plugins beside those of all tests. */
function configOf(more: readonly ReturnType<typeof plugin>[] = []): Record<string, unknown> {
  const plugins = [...basic(), ...more];
  const usual = aConfig([upstream.url], { upstream: { retry: { attempts: 0 } } });
  return {
    ...usual,
    upstreams: { ...(usual['upstreams'] as object), other: { targets: [{ url: other.url }] } },
    admin: { port: 0, token: TOKEN },
    logging: { level: 'info', accessLog: true },
    workers: 2,
    reload: { watch: false },
    plugins,
    routes: [
      ...more.map(({ name }) => route(name, [name])),
      route('edits', ['edits']),
      route('both', ['second', 'edits']),
      route('waits', ['waits']),
      route('throws', ['throws']),
      route('skipped', ['skipped']),
      route('never', ['never']),
      route('bodies', ['bodies']),
      { ...route('asks', ['asks']), rateLimit: { limit: 1000, window: '1m', key: 'route' } },
      route('keeps', ['keeps']),
      route('fetches', ['fetches']),
      route('strays', ['strays']),
      {
        ...{ name: 'chooses', match: { path: '/chooses/*' }, plugins: ['chooses'] },
        upstreams: [
          { name: 'api', weight: 1 },
          { name: 'other', weight: 0 },
        ],
      },
      {
        ...{ name: 'guarded', match: { path: '/guarded', methods: ['GET'] } },
        ...{ upstream: 'api', plugins: ['asks'] },
      },
      { name: 'plain', match: { path: '/*' }, upstream: 'api' },
    ],
  };
}

function basic(): ReturnType<typeof plugin>[] {
  return [
    edits,
    plugin('second', "onRequest(request) { request.setHeader('x-greeting', 'second'); }"),
    plugin(
      'waits',
      `async onRequest(request) {
         await new Promise((resolve) => setTimeout(resolve, 5));
         request.setHeader('x-waited', hello('me'));
       },
       async onReply(reply) {
         await new Promise((resolve) => setTimeout(resolve, 5));
         reply.setHeader('x-reply', 'waited');
       }`,
    ),
    plugin(
      'throws',
      "onRequest(request) { request.setHeader('x-bad', '1'); throw new Error('no'); }",
      {
        strikes: 3,
      },
    ),
    plugin(
      'skipped',
      "onRequest(request) { request.setHeader('x-bad', '1'); throw new Error('no'); }",
      {
        strikes: 3,
        onFailure: 'skip',
      },
    ),
    plugin(
      'bodies',
      `async onRequestBody(body, request) {
         const text = body.toString();
         if (text === 'refused') return { status: 422, body: 'no' };
         if (text === 'left') return;
         await new Promise((resolve) => setTimeout(resolve, 1));
         request.setHeader('x-length', String(text.length));
         return text.toUpperCase();
       },
       onReplyBody(body, reply) {
         reply.setHeader('x-for', reply.request.path);
         if (reply.request.path !== '/bodies/kept') return body.toString() + ' and more';
       }`,
      { bodyBytes: '4KiB', strikes: 100 },
    ),
    plugin(
      'asks',
      `async authenticate(request) {
         const key = request.header('x-key');
         if (key === '') return;
         if (key === 'throws') throw new Error('no');
         if (key === 'wrong') return { refuse: 'the key is wrong' };
         if (key === 'denied') return { deny: 'not you' };
         if (key === 'login') return { reply: { status: 302, headers: { location: '/login' } } };
         return { consumer: key, claims: { role: 'tester' } };
       },
       onRequest(request) { request.setHeader('x-who', request.consumer + request.claims.role); }`,
      { onFailure: 'skip', strikes: 100 },
    ),
    plugin(
      'keeps',
      `async onRequest(request) {
         const { store } = context;
         const results = {
           before: await store.get('a'),
           first: await store.compareAndSet('a', undefined, '1'),
           second: await store.compareAndSet('a', undefined, '2'),
           after: await store.get('a'),
           count: await store.increment('n', 2),
           deleted: await store.delete('a'),
           brief: await store.set('b', 'x', { ttl: 60000 }),
           long: await store.set('c', 'x'.repeat(70000)).catch((error) => error.message),
         };
         return { status: 200, body: JSON.stringify(results) };
       }`,
    ),
    plugin(
      'fetches',
      `async onRequest(request) {
         const reply = await context.fetch(options.url, { timeout: 5000 });
         const long = await context.fetch(options.url, { bytes: 3 }).catch((e) => e.message);
         return { status: reply.status, body: JSON.stringify([reply.json().host, long]) };
       }`,
      { options: { url: upstream.url }, parts: 'options: { type: "object" },' },
    ),
    plugin(
      'strays',
      `onRequest(request) {
         const { path } = request;
         if (path === '/strays/timer') setTimeout(() => { throw new Error('of a timer'); }, 1);
         if (path === '/strays/promise') void Promise.reject(new Error('of a promise'));
         if (path === '/strays/exit') setTimeout(() => process.exit(1), 1);
       }`,
      { strikes: 100 },
    ),
    plugin(
      'chooses',
      `selectTarget(request, upstreams) {
         if (request.path === '/chooses/late') return Promise.resolve('other');
         return upstreams.find((name) => request.header('x-side') === name);
       }`,
    ),
    plugin('never', 'onRequest() { return new Promise(() => {}); }', {
      budget: { wait: '20ms' },
      strikes: 2,
    }),
  ];
}

beforeAll(async () => {
  mkdirSync(join(folder, 'lib'));
  writeFileSync(join(folder, 'lib/hello.js'), 'export const hello = (who) => `hello ${who}`;\n');
  edits = plugin(
    'edits',
    `onRequest(request) {
       context.count('greetings');
       if (request.path === '/edits/tea') {
         return { status: 418, headers: { 'x-kind': ['a', 'b'] }, body: 'tea' };
       }
       if (request.path === '/edits/framing') request.setHeader('Content-Length', '0');
       if (request.header('x-gone') !== '') request.removeHeader('X-Gone');
       request.setHeader('X-Greeting', hello(options.who));
       request.setHeader('authorization', 'Bearer of-the-plugin');
       request.state.set('seen', request.header('x-greeting'));
       request.log('who', options.who);
     },
     onReply(reply, request) {
       reply.setHeader('x-seen', String(request.state.get('seen')));
       reply.appendHeader('set-cookie', 'a=1');
       if (request.path === '/edits/moved') reply.status = 203;
     },
     onFinish(result, request) { request.log('status', result.status); }`,
    { options: { who: 'you' }, parts: OPTIONS },
  );
  upstream = await FakeUpstream.start((incoming, response) => {
    response.setHeader('set-cookie', 'b=2');
    if (incoming.method === 'GET') response.end(JSON.stringify(incoming.headers));
    else incoming.pipe(response);
  });
  other = await FakeUpstream.start((_, response) => response.end('other'));
  gateway = await GatewayProcess.start(configOf());
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
  await other.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(gateway.url + path, { headers });

async function codeOf(path: string): Promise<string> {
  const reply = await get(path);
  const text = await reply.text();
  return reply.status === 200 ? 'ok' : String((JSON.parse(text) as { code?: string }).code);
}

interface PluginRow {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly failures: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
}

async function rowOf(name: string): Promise<PluginRow | undefined> {
  const { plugins } = await gateway.stats<{ plugins: readonly PluginRow[] }>();
  return plugins.find((one) => one.name === name);
}

async function reload(config: Record<string, unknown>): Promise<readonly string[]> {
  gateway.rewrite(config);
  const { body } = await gateway.post('/reload', TOKEN);
  return body.reasons ?? [];
}

describe('a plugin', () => {
  it('changes fields of the request and of the reply, and tells its other hooks', async () => {
    const reply = await get('/edits/a', { 'x-gone': '1', 'x-greeting': 'of the client' });
    const seen = (await reply.json()) as Record<string, string>;
    expect(seen).toMatchObject({
      'x-greeting': 'hello you',
      authorization: 'Bearer of-the-plugin',
    });
    expect(seen['x-gone']).toBeUndefined();
    expect(reply.headers.get('x-seen')).toBe('hello you');
    expect(reply.headers.getSetCookie()).toEqual(['b=2', 'a=1']);
  });

  it('gives a reply, and another status to one of a target', async () => {
    const tea = await get('/edits/tea');
    expect([tea.status, tea.headers.get('x-kind'), await tea.text()]).toEqual([418, 'a, b', 'tea']);
    expect((await get('/edits/moved')).status).toBe(203);
  });

  it('may not touch what frames a message: that is a failure, and nothing has changed', async () => {
    expect(await codeOf('/edits/framing')).toBe('GW_PLUGIN_FAILED');
  });

  it('runs after those that stand before it', async () => {
    const seen = (await (await get('/both/a')).json()) as Record<string, string>;
    expect(seen['x-greeting']).toBe('hello you');
  });

  it('may wait, before the target and before its reply', async () => {
    const reply = await get('/waits/a');
    expect(reply.headers.get('x-reply')).toBe('waited');
    expect(await reply.json()).toMatchObject({ 'x-waited': 'hello me' });
  });

  it('counts, and puts fields into the access record', async () => {
    await get('/edits/logged');
    await eventually('the record is there', () =>
      gateway.find('request').some((record) => {
        const { 'edits.who': who, 'edits.status': status } = (record['plugins'] ?? {}) as never;
        return record['target'] === '/edits/logged' && who === 'you' && status === 200;
      }),
    );
    expect((await rowOf('edits'))?.events['greetings']).toBeGreaterThan(0);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/sluice_plugin_events_total\{plugin="edits",event="greetings"\} [1-9]/);
  });
});

describe('hooks for bodies', () => {
  const post = (path: string, body: string): Promise<Response> =>
    fetch(gateway.url + path, { method: 'POST', body });

  it('get whole bodies, and make others of them', async () => {
    const reply = await post('/bodies/a', 'hello');
    expect(await reply.text()).toBe('HELLO and more');
    expect(reply.headers.get('content-length')).toBe('14');
    expect(reply.headers.get('x-for')).toBe('/bodies/a');
  });

  it('leave a body as it is, or answer', async () => {
    expect(await (await post('/bodies/kept', 'left')).text()).toBe('left');
    const refused = await post('/bodies/a', 'refused');
    expect([refused.status, await refused.text()]).toEqual([422, 'no']);
  });

  it('get no body that is longer than they take', async () => {
    expect((await post('/bodies/a', 'x'.repeat(5000))).status).toBe(413);
    const long = await post('/bodies/a', 'x'.repeat(4090));
    expect(await long.text()).toMatch(/^X{4090} and more$/);
  });
});

describe('a plugin that finds out who calls', () => {
  const as = (key: string): Promise<Response> =>
    fetch(`${gateway.url}/asks/a`, {
      headers: key === '' ? {} : { 'x-key': key },
      redirect: 'manual',
    });

  it('lets callers in, and says who they are', async () => {
    expect(await (await as('me')).json()).toMatchObject({ 'x-who': 'metester' });
  });

  it.each([
    ['', 401],
    ['wrong', 401],
    ['denied', 403],
    ['login', 302],
    // Whatever onFailure says: nobody is let in by a failure.
    ['throws', 503],
  ])('with %j it answers %i', async (key, status) => {
    expect((await as(key)).status).toBe(status);
  });

  it.each([
    ['GET', '/guarded', 401],
    ['GET', '/guarded/', 401],
    ['POST', '/guarded', 405],
    ['POST', '/guarded//', 405],
  ])(
    'is not passed by with %s %s, which a wider route would take',
    async (method, path, status) => {
      expect((await fetch(gateway.url + path, { method })).status).toBe(status);
    },
  );
});

describe('what a plugin has of the gateway', () => {
  it('is a store for all workers', async () => {
    const results = (await (await get('/keeps/a')).json()) as Record<string, unknown>;
    expect(results).toMatchObject({
      ...{ first: true, second: false, after: '1', count: 2, deleted: true },
      long: 'a value has at most 65536 characters',
    });
    expect((await (await get('/keeps/a')).json()) as object).toMatchObject({ count: 4 });
  });

  it('are requests of its own, within bounds', async () => {
    const [host, long] = (await (await get('/fetches/a')).json()) as string[];
    expect(host).toBe(new URL(upstream.url).host);
    expect(long).toBe('the reply is longer than 3 bytes');
  });

  it('is the choice among the upstreams of its route', async () => {
    const side = (name: string): Promise<Response> => get('/chooses/a', { 'x-side': name });
    expect(await (await side('other')).text()).toBe('other');
    expect(await (await side('nobody')).text()).toMatch(/^\{/);
    expect(await (await get('/chooses/late')).text()).toMatch(/^\{/);
    expect((await rowOf('chooses'))?.failures['error']).toBe(1);
  });
});

describe('errors of a plugin outside of its calls', () => {
  it('are told by its name, and end no worker', async () => {
    for (const path of ['timer', 'promise', 'exit']) await get(`/strays/${path}`);
    await eventually(
      'all are counted',
      async () => (await rowOf('strays'))?.failures['stray'] === 3,
    );
    const { workers } = await gateway.stats<{ workers: readonly { deaths: number }[] }>();
    expect(workers.map(({ deaths }) => deaths)).toEqual([0, 0]);
    await eventually('the log says so', () => {
      const told = gateway.find('plugin has failed outside of its calls');
      const texts = told.map(({ err }) => (err as { message: string }).message).sort();
      return texts.join() === 'of a promise,of a timer,process.exit() is not for plugins';
    });
  });
});

describe('a plugin that fails', () => {
  it('refuses its requests, is put out, and other routes are as ever', async () => {
    expect(await codeOf('/throws/a')).toBe('GW_PLUGIN_FAILED');
    await eventually('it is out', async () => (await codeOf('/throws/a')) === 'GW_PLUGIN_OUT');
    expect(await rowOf('throws')).toMatchObject({ state: 'out', reason: 'strikes' });
    expect(await codeOf('/plain')).toBe('ok');
    expect(await codeOf('/edits/a')).toBe('ok');
  });

  it('is passed over where its policy says so, and leaves nothing behind', async () => {
    for (let count = 0; count < 5; count += 1) {
      const seen = (await (await get('/skipped/a')).json()) as Record<string, string>;
      expect(seen['x-bad']).toBeUndefined();
    }
    expect(await rowOf('skipped')).toMatchObject({ state: 'out', failures: { error: 3 } });
  });

  it('is waited for no longer than its budget says', async () => {
    expect(await codeOf('/never/a')).toBe('GW_PLUGIN_FAILED');
    await eventually('it is out', async () => (await codeOf('/never/a')) === 'GW_PLUGIN_OUT');
    expect((await rowOf('never'))?.failures['late']).toBeGreaterThanOrEqual(2);
  });

  it('is in use again by an order, and its strikes begin anew', async () => {
    const restore = (name: string, token = TOKEN) =>
      gateway.post(`/plugins/${name}/restore`, token);
    expect((await restore('throws', 'another token')).status).toBe(401);
    expect((await restore('nobody')).body.detail).toMatch(/no plugin of this name; those in use: /);
    expect(await restore('edits')).toMatchObject({
      status: 409,
      body: { detail: 'plugin edits is in use: it was not put out' },
    });
    const before = await rowOf('throws');
    expect(before?.failures['error']).toBeGreaterThanOrEqual(3);
    expect(await restore('throws')).toMatchObject({ status: 200, body: { state: 'in use' } });
    expect((await rowOf('throws'))?.failures['error']).toBe(0);
    expect(await codeOf('/throws/a')).toBe('GW_PLUGIN_FAILED');
    await eventually('it is out', async () => (await codeOf('/throws/a')) === 'GW_PLUGIN_OUT');
    await eventually('the log says so', () => {
      const [told] = gateway.find('plugin is used again, by an order');
      return told?.['plugin'] === 'throws';
    });
    // A reload without changes leaves it as it is.
    expect(await reload(configOf())).toEqual([]);
    expect(await rowOf('throws')).toMatchObject({ state: 'out' });
  });

  it('is in use again once a reload brings other code', async () => {
    expect(await reload(configOf())).toEqual([]);
    expect(await codeOf('/throws/a')).toBe('GW_PLUGIN_OUT');
    const config = configOf();
    write('throws', "onRequest(request) { request.setHeader('x-good', '1'); }");
    expect(await reload(config)).toEqual([]);
    expect(await (await get('/throws/a')).json()).toMatchObject({ 'x-good': '1' });
  });
});

describe('a plugin that never comes to its end', () => {
  it('costs its worker once, and is put out before another one runs it', async () => {
    const loops = plugin('loops', 'onRequest() { for (;;); }');
    const later = plugin(
      'later',
      `async onRequest(request) {
         await context.store.get('a');
         while (request.path === '/later/a');
         request.setHeader('x-later', 'yes');
       }`,
    );
    expect(await reload(configOf([loops, later]))).toEqual([]);
    const [lost] = await Promise.all([get('/loops/a'), get('/later/a')]);
    expect(lost.status).toBeGreaterThanOrEqual(500);
    for (const name of ['loops', 'later']) {
      await eventually(`${name} is out`, async () => {
        // A request may have been lost with a worker in which the other one ran.
        await get(`/${name}/a`);
        return (await rowOf(name))?.state === 'out';
      });
      expect(await rowOf(name)).toMatchObject({ reason: 'hang' });
    }
    await eventually('all workers serve', async () => {
      const { workers } = await gateway.stats<{ workers: readonly { served: boolean }[] }>();
      return workers.every(({ served }) => served);
    });
    for (let count = 0; count < 4; count += 1) {
      expect(await codeOf('/loops/a')).toBe('GW_PLUGIN_OUT');
      expect(await codeOf('/plain')).toBe('ok');
    }
    const told = 'plugin makes a worker hang: it is put out';
    await eventually('the log says so', () => gateway.find(told).length === 2);
    expect(gateway.exitCode).toBeNull();
  });

  it('runs in all workers again once it was restored', async () => {
    const { status } = await gateway.post('/plugins/later/restore', TOKEN);
    expect(status).toBe(200);
    expect(await rowOf('later')).toMatchObject({ state: 'in use', failures: { worker: 0 } });
    // Workers that were started while it was out have not had it until now.
    for (let count = 0; count < 4; count += 1) {
      expect(await (await get('/later/b')).json()).toMatchObject({ 'x-later': 'yes' });
    }
  });
});

describe('a configuration with plugins', () => {
  it('is refused with the place of every mistake', async () => {
    const wrong = [
      plugin('typed', '', { parts: OPTIONS, options: { who: 1, whom: 'x' } }),
      { name: 'missing', file: join(folder, 'nothing-here.js') },
      plugin('syntax', 'onRequest( {'),
      plugin('nothing', '', { parts: 'setup: 1,', file: write('none', '', 'x: 1,') }),
    ];
    const config = configOf(wrong as never);
    const reasons = await reload({
      ...config,
      routes: [route('a', ['edit']), ...(config['routes'] as object[])],
    });
    const text = reasons.join('\n');
    expect(text).toMatch(/plugins\[12\]\.options\.who: must be string/);
    expect(text).toMatch(/plugins\[12\]\.options\.whom: unknown option "whom"/);
    expect(text).toMatch(/plugins\[13\]\.file: cannot be loaded: .*nothing-here\.js: there is no/);
    expect(text).toMatch(/plugins\[14\]\.file: cannot be loaded: \S+syntax\S+:\d+: \w/);
    expect(text).toMatch(
      /routes\[0\]\.plugins\[0\]: unknown plugin "edit", did you mean "edits"\?/,
    );
  });

  it('is refused when a plugin cannot be set up, and the one in force goes on', async () => {
    const file = join(folder, 'setup.js');
    writeFileSync(file, 'export default { name: "x", setup() { throw new Error("no key"); } };');
    const reasons = await reload(configOf([{ name: 'setup', file }]));
    expect(reasons.join()).toMatch(/plugin setup cannot be set up: no key/);
    expect(await codeOf('/edits/a')).toBe('ok');
  });

  it('is refused when a plugin hangs as it is set up, which one worker tries', async () => {
    const deaths = async (): Promise<number> => {
      const { workers } = await gateway.stats<{ workers: readonly { deaths: number }[] }>();
      return workers.reduce((sum, one) => sum + one.deaths, 0);
    };
    const before = await deaths();
    const file = join(folder, 'endless.js');
    writeFileSync(file, 'export default { name: "x", setup() { for (;;); } };');
    const reasons = await reload(configOf([{ name: 'endless', file }]));
    expect(reasons.join()).toMatch(/plugin endless makes workers hang as it is set up/);
    expect(await deaths()).toBe(before + 1);
    expect(await codeOf('/edits/a')).toBe('ok');
  });
});
