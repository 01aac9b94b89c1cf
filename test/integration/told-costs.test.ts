/**
 * Limits by what only replies tell: two workers before a model that tells its tokens in every way,
 * in none, or dies in the middle.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const LIMIT = 1000;
const RESERVE = 100;

let model: FakeUpstream;
let gateway: GatewayProcess;
/** Replies that the test lets go on, by the key of their requests. */
const waiting = new Map<string, ServerResponse[]>();
let keys = 0;

function usage(tokens: number): string {
  return JSON.stringify({ choices: ['…'], usage: { total_tokens: tokens } });
}

function wait(key: string, response: ServerResponse): void {
  waiting.set(key, [...(waiting.get(key) ?? []), response]);
}

/** What the model does is the path; how many tokens it tells is in the query. */
const ACTIONS: Readonly<
  Record<string, (response: ServerResponse, tokens: number, request: IncomingMessage) => void>
> = {
  '/json': (response, tokens) => {
    response.setHeader('content-type', 'application/json').end(usage(tokens));
  },
  '/long': (response, tokens) => {
    response.setHeader('content-type', 'application/json');
    const text = 'words "}{ '.repeat(300_000);
    response.end(JSON.stringify({ text, usage: { total_tokens: tokens }, after: text }));
  },
  '/events': (response, tokens) => {
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: {"choices":["a"],"usage":null}\n\n');
    response.write(`data: ${usage(tokens)}`);
    response.end('\n\ndata: [DONE]\n\n');
  },
  '/coded': (response, tokens, { headers }) => {
    const accepts = headers['accept-encoding'] ?? 'gzip';
    response.setHeader('content-type', 'application/json');
    if (accepts === 'identity') response.end(usage(tokens));
    else response.setHeader('content-encoding', 'gzip').end(gzipSync(usage(tokens)));
  },
  '/always-coded': (response, tokens) => {
    response.setHeader('content-type', 'application/json');
    response.setHeader('content-encoding', 'gzip').end(gzipSync(usage(tokens)));
  },
  '/untold': (response) => void response.end('words'),
  '/refused': (response) => {
    response.writeHead(422, { 'content-type': 'application/json' }).end('{"error":"no"}');
  },
  '/refused-and-told': (response, tokens) => {
    response.writeHead(500, { 'content-type': 'application/json' }).end(usage(tokens));
  },
  '/field': (response, tokens) => {
    response.writeHead(200, { trailer: 'x-tokens' }).write('words');
    response.addTrailers({ 'x-tokens': String(tokens) });
    response.end();
  },
  '/dead': (response) => void response.destroy(),
  '/half': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
    response.write('{"choices":', () => response.destroy());
  },
  '/stream': (response, _tokens, { headers }) => {
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: {"choices":["a"]}\n\n');
    wait(String(headers['x-key']), response);
  },
  '/silent': (response, _tokens, { headers }) => {
    wait(String(headers['x-key']), response);
  },
};

beforeAll(async () => {
  model = await FakeUpstream.start((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://model');
    request.resume().on('end', () => {
      ACTIONS[pathname]?.(response, Number(searchParams.get('tokens')), request);
    });
  });
  const limit = { limit: LIMIT, window: '400d', key: 'header:x-key' };
  const config = aConfig([model.url], {
    route: {
      name: 'model',
      rateLimit: { ...limit, cost: { reply: '/usage/total_tokens', reserve: RESERVE } },
    },
    top: { workers: 2 },
  });
  const routes = config['routes'] as readonly Record<string, unknown>[];
  const byField = {
    ...routes[0],
    name: 'by-field',
    match: { path: '/field' },
    rateLimit: { ...limit, cost: { field: 'X-Tokens', reserve: RESERVE } },
  };
  gateway = await GatewayProcess.start({ ...config, routes: [byField, ...routes] });
});

afterAll(async () => {
  await gateway.stop();
  await model.close();
});

/** A caller of its own: nothing is used up yet. */
function aKey(): string {
  keys += 1;
  return `caller-${keys}`;
}

function call(path: string, key: string, fields: object = {}): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { headers: { 'x-key': key, ...fields } });
}

/** What was left just before a request that costs nothing. */
async function left(key: string): Promise<number> {
  const reply = await call('/refused', key);
  await reply.text();
  const told = /r=(\d+)/.exec(reply.headers.get('ratelimit') ?? '')?.[1];
  return Number(told) + (reply.status === 429 ? 0 : RESERVE);
}

/** The next request may come to the other worker, before the end of this one is told. */
async function becomes(key: string, expected: number): Promise<void> {
  await eventually(`${expected} are left`, async () => (await left(key)) === expected);
}

/** Resolves when `count` requests for this target have been recorded, each with this cost. */
async function recorded(target: string, cost: number, count = 1): Promise<void> {
  await eventually(`${target} is recorded with ${cost}`, () => {
    const records = gateway.records().filter((one) => one['target'] === target);
    return records.filter((one) => one['cost'] === cost).length >= count;
  });
}

/** The model goes on with its streams until the gateway wants none of them any more. */
async function abandoned(key: string): Promise<void> {
  const streams = waiting.get(key) ?? [];
  await eventually('the streams are given up', () => {
    const open = streams.filter(({ closed }) => !closed);
    for (const stream of open) stream.write(': more\n\n');
    return open.length === 0;
  });
}

async function nextOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { done, value } = await reader.read();
  if (done) throw new Error('the stream has ended too early');
  return Buffer.from(value).toString();
}

function readerOf({ body }: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (body === null) throw new Error('no body');
  return body.getReader();
}

it.each([
  ['/json?tokens=7', 7],
  ['/json?tokens=0', 0],
  ['/json?tokens=350', 350],
  ['/long?tokens=8', 8],
  ['/events?tokens=9', 9],
  ['/coded?tokens=10', 10],
  ['/always-coded?tokens=11', RESERVE],
  ['/untold', RESERVE],
  ['/refused', 0],
  ['/refused-and-told?tokens=12', 12],
  ['/half', RESERVE],
  ['/dead', 0],
])('%s costs %d', async (path, cost) => {
  const key = aKey();
  await call(path, key, { 'accept-encoding': 'gzip' })
    .then((reply) => reply.text())
    .catch(() => {});
  await becomes(key, LIMIT - cost);
  await recorded(path, cost);
});

it('costs what a field behind the body says', async () => {
  const key = aKey();
  await (await call('/field?tokens=13', key)).text();
  await eventually('the cost is settled', async () => {
    const next = await call('/field?tokens=0', key);
    await next.text();
    return next.headers.get('ratelimit')?.includes(`r=${LIMIT - 13 - RESERVE};`) === true;
  });
});

it('goes into debt, and refuses then', async () => {
  const key = aKey();
  expect((await call(`/json?tokens=${LIMIT + 5}`, key)).status).toBe(200);
  await eventually('the debt is known', async () => (await call('/json', key)).status === 429);
});

it('admits together no more than have their reserves', async () => {
  const key = aKey();
  const count = LIMIT / RESERVE;
  const calls = Array.from({ length: count + 5 }, () => call('/stream', key));
  const replies = await Promise.all(calls);
  const statuses = replies.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBe(count);
  expect(statuses.filter((status) => status === 429).length).toBe(5);
  await Promise.all(replies.map((reply) => reply.body?.cancel()));
  await abandoned(key);
  // All were sent to the model, and nobody knows what they have cost.
  await recorded('/stream', RESERVE, count);
  expect((await call('/json', key)).status).toBe(429);
});

it('is settled by the last event, while the stream passes at once', async () => {
  const key = aKey();
  const reply = await call('/stream', key);
  const reader = readerOf(reply);
  expect(await nextOf(reader)).toBe('data: {"choices":["a"]}\n\n');
  const [stream] = waiting.get(key) ?? [];
  stream?.write(`data: ${usage(20)}\n\n`);
  stream?.end(`data: ${usage(30)}\n\ndata: [DONE]\n\n`);
  let text = '';
  while (!text.endsWith('[DONE]\n\n')) text += await nextOf(reader);
  expect((await reader.read()).done).toBe(true);
  await becomes(key, LIMIT - 30);
});

it('costs what was told before the client left, and else the reserve', async () => {
  const key = aKey();
  const reply = await call('/stream', key);
  const reader = readerOf(reply);
  waiting.get(key)?.[0]?.write(`data: ${usage(40)}\n\n`);
  let text = '';
  while (!text.includes('40')) text += await nextOf(reader);
  await reader.cancel();
  await abandoned(key);
  await becomes(key, LIMIT - 40);
  const silent = connect(gateway.port, '127.0.0.1');
  silent.write(`GET /silent HTTP/1.1\r\nhost: a\r\nx-key: ${key}-2\r\n\r\n`);
  await eventually('the model works for it', () => waiting.has(`${key}-2`));
  silent.resetAndDestroy();
  await once(silent, 'close');
  await becomes(`${key}-2`, LIMIT - RESERVE);
});

it('is told in the access log, the metrics and the figures', async () => {
  const key = aKey();
  await (await call('/json?tokens=77', key)).text();
  await recorded('/json?tokens=77', 77);
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  for (const name of ['reserved', 'settled', 'unknown']) {
    const sample = new RegExp(
      `^gateway_limit_cost_${name}_total\\{.*limit="model".*\\} [1-9]`,
      'm',
    );
    expect(metrics).toMatch(sample);
  }
});
