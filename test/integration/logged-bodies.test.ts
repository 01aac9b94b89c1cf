/**
 * Bodies in access records, of a gateway as its users run it. Forbidden: a secret on standard
 * output, a body of a route that shows none, a reply that is changed or delayed by it.
 */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const SECRET = 'hunter2-hunter2';
const TOKEN = 'correct-horse-battery';
const LONG = JSON.stringify({ password: SECRET, text: 'x'.repeat(200_000) });

let upstream: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start((request, response) => {
    const path = request.url ?? '';
    request.resume().on('end', () => {
      if (path.endsWith('/gzip')) {
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
        response.end(gzipSync(JSON.stringify({ token: SECRET })));
      } else if (path.endsWith('/long')) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(LONG);
      } else {
        response.writeHead(201, { 'content-type': 'application/json' });
        response.write('{"id":7,"token":"');
        response.end(`${SECRET}","card":{"number":"${SECRET}"}}`);
      }
    });
  });
  const route = (name: string, more: object): object => ({
    name,
    match: { path: `/${name}/*` },
    upstream: 'api',
    ...more,
  });
  const config = aConfig([upstream.url], {
    top: {
      workers: 1,
      logging: { level: 'info', format: 'json' },
      admin: { port: 0, token: TOKEN, replay: true },
      routes: [
        route('shown', { logBodies: { maskBody: ['/card/number', '/cards/*/number'] } }),
        route('requests', { logBodies: { reply: false } }),
        route('quiet', {}),
      ],
    },
  });
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.kill();
  await upstream.close();
});

interface Row {
  readonly target: string;
  readonly requestBody?: string;
  readonly replyBody?: string;
}

/** The record of the request with this path. */
async function recordOf(target: string): Promise<Row> {
  let found: Row | undefined;
  await eventually(`a record of ${target}`, () => {
    for (const line of gateway.stdout.split('\n')) {
      if (!line.includes('"msg":"request"') || !line.includes(target)) continue;
      found = JSON.parse(line) as Row;
    }
    return found !== undefined;
  });
  return found ?? { target };
}

async function post(path: string, body: string, type = 'application/json'): Promise<string> {
  const headers = { 'content-type': type, 'accept-encoding': 'identity' };
  const reply = await fetch(`${gateway.url}${path}`, { method: 'POST', body, headers });
  return reply.text();
}

it('are shown of a route that has them shown, without what is secret', async () => {
  const order = { user: 'ann', password: SECRET, cards: [{ number: SECRET, to: '12/30' }] };
  expect(await post('/shown/one', JSON.stringify(order))).toContain(SECRET);
  const { requestBody = '', replyBody = '' } = await recordOf('/shown/one');
  expect(JSON.parse(requestBody)).toEqual({
    ...{ user: 'ann', password: '***' },
    cards: [{ number: '***', to: '12/30' }],
  });
  expect(JSON.parse(replyBody)).toEqual({ id: 7, token: '***', card: { number: '***' } });
});

it('are told by length and type where they are long, compressed or of another kind', async () => {
  expect(await post('/shown/long', LONG)).toBe(LONG);
  const long = await recordOf('/shown/long');
  const summary = `(${LONG.length} bytes, application/json)`;
  expect([long.requestBody, long.replyBody]).toEqual([summary, summary]);
  expect(await post('/shown/gzip', SECRET, 'text/plain')).toContain(SECRET);
  const { requestBody, replyBody } = await recordOf('/shown/gzip');
  expect(requestBody).toBe(`(${SECRET.length} bytes, text/plain)`);
  expect(replyBody).toMatch(/^\(\d+ bytes, application\/json, compressed\)$/);
});

it('are shown of requests alone where the route says so, and else not at all', async () => {
  await post('/requests/one', '{"a":1}');
  const { requestBody, replyBody } = await recordOf('/requests/one');
  expect([requestBody, replyBody]).toEqual(['{"a":1}', undefined]);
  await post('/quiet/one', '{"a":1}');
  const quiet = await recordOf('/quiet/one');
  expect([quiet.requestBody, quiet.replyBody]).toEqual([undefined, undefined]);
});

it('leave no secret on standard output, and nothing in what is kept for a replay', async () => {
  expect(gateway.stdout).not.toContain(SECRET);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const kept = await (await fetch(`${gateway.adminUrl}/replay`, { headers })).text();
  expect(kept).toContain('/shown/one');
  expect(kept).not.toContain('requestBody');
  expect(kept).not.toContain('replyBody');
});
