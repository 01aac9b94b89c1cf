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
  return {
    ...aConfig([upstream.url], { upstream: { retry: { attempts: 0 } } }),
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
    response.end(JSON.stringify(incoming.headers));
  });
  gateway = await GatewayProcess.start(configOf());
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
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
    expect(await reload(configOf([loops]))).toEqual([]);
    const lost = await get('/loops/a');
    expect(lost.status).toBeGreaterThanOrEqual(500);
    expect(await rowOf('loops')).toMatchObject({ state: 'out', reason: 'hang' });
    await eventually('all workers serve', async () => {
      const { workers } = await gateway.stats<{ workers: readonly { served: boolean }[] }>();
      return workers.every(({ served }) => served);
    });
    for (let count = 0; count < 4; count += 1) {
      expect(await codeOf('/loops/a')).toBe('GW_PLUGIN_OUT');
      expect(await codeOf('/plain')).toBe('ok');
    }
    expect(gateway.find('plugin makes a worker hang: it is put out')).toHaveLength(1);
    expect(gateway.exitCode).toBeNull();
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
    expect(text).toMatch(/plugins\[6\]\.options\.who: must be string/);
    expect(text).toMatch(/plugins\[6\]\.options\.whom: unknown option "whom"/);
    expect(text).toMatch(/plugins\[7\]\.file: cannot be loaded: .*nothing-here\.js/);
    expect(text).toMatch(/plugins\[8\]\.file: cannot be loaded/);
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
});
