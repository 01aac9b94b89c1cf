/**
 * A package that is a plugin, on every route that has no plugins of its own; and the store of a
 * plugin, which two workers use at once.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'));
let upstream: FakeUpstream;
let gateway: GatewayProcess;

const MODULE = `
import { greet } from './greet.js';
export default {
  name: 'greeter',
  options: { type: 'object', properties: { who: { type: 'string', default: 'you' } } },
  setup: ({ who }) => ({
    onRequest(request) {
      if (request.path.endsWith('/breaks')) setTimeout(() => ends(), 0);
      request.setHeader('x-greeting', greet(who));
    },
  }),
};
// Of no plugin, as far as anybody can tell.
const ends = new Function('queueMicrotask(() => { throw Object.assign(new Error("x"), { stack: "" }); })');
`;

const COUNTER = `
export default {
  name: 'counter',
  async setup(_, { store }) {
    const begun = await store.increment('setups');
    const addOne = async () => {
      for (;;) {
        const known = await store.get('swapped');
        const next = String(Number(known ?? 0) + 1);
        if (await store.compareAndSet('swapped', known, next)) return;
      }
    };
    return {
      async onRequest(request) {
        if (request.path === '/counter/end') {
          const keys = ['setups', 'added', 'swapped'];
          const values = await Promise.all(keys.map((key) => store.get(key)));
          return { status: 200, body: values.join() };
        }
        const adds = Array.from({ length: 100 }, () => store.increment('added'));
        await Promise.all([...adds, addOne(), addOne(), addOne(), addOne()]);
        return { status: 200, body: String(begun) };
      },
    };
  },
};
`;

function writePackage(): void {
  const root = join(folder, 'node_modules', '@acme', 'greeter');
  mkdirSync(join(root, 'lib'), { recursive: true });
  const entry = { name: '@acme/greeter', exports: { '.': { import: './lib/main.js' } } };
  writeFileSync(join(root, 'package.json'), JSON.stringify(entry));
  writeFileSync(join(root, 'lib', 'main.js'), MODULE);
  writeFileSync(join(root, 'lib', 'greet.js'), 'export const greet = (who) => `hello ${who}`;');
}

beforeAll(async () => {
  writePackage();
  upstream = await FakeUpstream.start((request, response) =>
    response.end(String(request.headers['x-greeting'])),
  );
  const route = (name: string, rest: object = {}) => ({
    ...{ name, match: { path: `/${name}/*` }, upstream: 'api' },
    ...rest,
  });
  const quiet = join(folder, 'quiet.js');
  writeFileSync(quiet, 'export default { name: "quiet", setup: () => ({}) };');
  const counter = join(folder, 'counter.js');
  writeFileSync(counter, COUNTER);
  const config = {
    workers: 2,
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    plugins: [
      { name: 'greeter', package: '@acme/greeter', everyRoute: true, options: { who: 'all' } },
      { name: 'quiet', file: quiet },
      { name: 'counter', file: counter, budget: { cpu: '1s', wait: '30s' } },
    ],
    routes: [
      route('any'),
      route('own', { plugins: ['quiet'] }),
      route('none', { plugins: [] }),
      route('counter', { plugins: ['counter'] }),
    ],
  };
  gateway = await GatewayProcess.start(config, {}, undefined, { cwd: folder });
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

const said = async (path: string): Promise<string> => (await fetch(gateway.url + path)).text();

it.each([
  ['/any/a', 'hello all'],
  ['/own/a', 'undefined'],
  ['/none/a', 'undefined'],
])('%s has what its route asks for: %s', async (path, greeting) => {
  expect(await said(path)).toBe(greeting);
});

it('what two workers add to one store at once is all there', async () => {
  const workers = await Promise.all(Array.from({ length: 10 }, () => said('/counter/a')));
  expect(new Set(workers).size).toBeGreaterThan(1);
  expect(await said('/counter/end')).toMatch(/^\d,1000,40$/);
});

it('an error that is nobody’s ends its worker, and says nothing else on standard error', async () => {
  await fetch(`${gateway.url}/any/breaks`).catch(() => {});
  await eventually(
    'the worker was replaced',
    () => gateway.find('lane is served again').length > 0,
  );
  await eventually(
    'the log says why',
    () => gateway.find('an error that nobody handles ends the worker').length > 0,
  );
  expect(gateway.stderr).toBe('');
  expect(await said('/any/a')).toBe('hello all');
});
