/**
 * The plugins of examples/plugins/ through a real gateway, and the one that `sluice plugin new`
 * writes.
 */
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXAMPLES_FOLDER } from '../support/examples.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess, MAIN_FILE } from '../support/gateway-process.js';

const SECRET = 'a secret between the gateway and its targets';
const folder = mkdtempSync(join(tmpdir(), 'sluice-plugin-new-'));

let target: FakeUpstream;
let authorizer: FakeUpstream;
let asked = 0;
let gateway: GatewayProcess;

const run = (...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });

beforeAll(async () => {
  run(MAIN_FILE, 'plugin', 'new', 'greeter');
  target = await FakeUpstream.start((incoming, response) => {
    response.end(JSON.stringify({ url: incoming.url, ...incoming.headers }));
  });
  authorizer = await FakeUpstream.start((incoming, response) => {
    asked += 1;
    const { authorization } = incoming.headers;
    if (authorization === 'Bearer broken') response.statusCode = 500;
    if (authorization === 'Bearer wrong') response.statusCode = 401;
    if (authorization === 'Bearer banned') response.statusCode = 403;
    response.end(JSON.stringify({ user: 'ada' }));
  });
  const file = (name: string): string => join(EXAMPLES_FOLDER, 'plugins', `${name}.js`);
  const route = (name: string) => ({
    ...{ name, match: { path: `/${name}/*` }, upstream: 'api', plugins: [name] },
  });
  gateway = await GatewayProcess.start({
    listen: { port: 0 },
    admin: { port: 0 },
    workers: 1,
    upstreams: { api: { targets: [{ url: target.url }] } },
    plugins: [
      { name: 'sign-requests', file: file('sign-requests'), options: { secret: SECRET } },
      { name: 'ab-test', file: file('ab-test') },
      { name: 'authorizer', file: file('authorizer'), options: { url: authorizer.url } },
      { name: 'greeter', file: join(folder, 'greeter/greeter.js') },
    ],
    routes: ['sign-requests', 'ab-test', 'authorizer', 'greeter'].map(route),
  });
});

afterAll(async () => {
  await gateway.kill();
  await target.close();
  await authorizer.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(gateway.url + path, { headers });

async function seen(reply: Response): Promise<Record<string, string>> {
  return (await reply.json()) as Record<string, string>;
}

describe('the example', () => {
  it('sign-requests signs what the target gets', async () => {
    const { url, 'x-gateway-signature': field = '' } = await seen(
      await get('/sign-requests/a?b=c'),
    );
    const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(field) ?? [];
    const text = `GET\n${url}\n${seconds}`;
    expect(signature).toBe(createHmac('sha256', SECRET).update(text).digest('hex'));
  });

  it('ab-test gives sides in turn, and keeps who has one', async () => {
    const sides: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      const reply = await get('/ab-test/');
      const side = (await seen(reply))['x-side'] ?? '';
      const [cookie = ''] = reply.headers.getSetCookie();
      expect(cookie.startsWith(`side=${side};`)).toBe(true);
      sides.push(side);
    }
    expect(sides).toEqual(['a', 'b', 'a', 'b']);
    const again = await get('/ab-test/', { cookie: 'x=y; side=b' });
    expect((await seen(again))['x-side']).toBe('b');
    expect(again.headers.getSetCookie()).toEqual([]);
  });

  it('authorizer lets in whom its service knows, and asks once', async () => {
    const as = (token: string): Promise<Response> =>
      get('/authorizer/', { authorization: `Bearer ${token}` });
    const statuses: number[] = [];
    for (const token of ['good', 'good', 'wrong', 'banned', 'broken']) {
      statuses.push((await as(token)).status);
    }
    expect(statuses).toEqual([200, 200, 401, 403, 503]);
    expect((await get('/authorizer/')).status).toBe(401);
    expect(asked).toBe(4);
  });
});

describe('the configuration of the examples', () => {
  it('is valid', () => {
    const file = join(EXAMPLES_FOLDER, 'plugins/gateway.yaml');
    const env = { ...process.env, SIGNING_SECRET: SECRET };
    const args = [MAIN_FILE, 'validate', '-c', file];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8', env })).toMatch(
      /: ok \(2 routes/,
    );
  });
});

describe('sluice plugin new', () => {
  it('writes a plugin that a gateway runs', async () => {
    expect((await seen(await get('/greeter/')))['x-greeting']).toBe('hello');
    expect((await get('/greeter/', { 'x-silent': '1' })).status).toBe(403);
  });

  it('writes a test that passes', () => {
    expect(run('--test', 'greeter/greeter.test.js')).toMatch(/pass 2/);
  });

  it('overwrites nothing, and wants a name', () => {
    expect(() => run(MAIN_FILE, 'plugin', 'new', 'greeter')).toThrow(/is there already/);
    expect(() => run(MAIN_FILE, 'plugin', 'new', '../x')).toThrow(/is no name/);
    expect(() => run(MAIN_FILE, 'plugin')).toThrow(/sluice plugin new NAME/);
  });
});
