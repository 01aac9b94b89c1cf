/**
 * The main thread supervises, and no request waits for it: a slow page of the admin listener or a
 * reload that keeps it busy delays none.
 */
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { InProcessGateway } from '../support/in-process-gateway.js';

/** Far more than any wait for the main thread could hide. */
const REPLIES = 200;
/** Only a failure takes that long. */
const BLOCKED_MS_MAX = 30_000;

/** The target, and a client with one request after the other, in a thread of their own. */
const CLIENT = `
const { parentPort, workerData: counts } = require('node:worker_threads');
const http = require('node:http');
const target = http.createServer((_, reply) => reply.end('ok'));
target.listen(0, '127.0.0.1', () => parentPort.postMessage(target.address().port));
parentPort.once('message', (url) => {
  // Each on a connection of its own: opening one must not need the main thread either.
  const ask = () => http.get(url, { agent: false }, (reply) => {
    reply.resume();
    reply.on('end', () => {
      Atomics.add(counts, reply.statusCode === 200 ? 0 : 1, 1);
      Atomics.notify(counts, 0);
      ask();
    });
  }).on('error', () => Atomics.add(counts, 1, 1));
  ask();
});
`;

const counts = new Int32Array(new SharedArrayBuffer(8));
let client: Worker;
let gateway: InProcessGateway;

beforeAll(async () => {
  client = new Worker(CLIENT, { eval: true, workerData: counts });
  const port = await new Promise<number>((resolve) => client.once('message', resolve));
  const top = { workers: 2, acceptors: 2, listen: { port: 0, engine: 'wire' } };
  gateway = await InProcessGateway.start(aConfig([`http://127.0.0.1:${port}`], { top }));
  client.postMessage(gateway.url);
});

afterAll(async () => {
  await client.terminate();
  await gateway.stop();
});

it('requests are answered while the main thread does nothing for them', async () => {
  await eventually('the first replies', () => Atomics.load(counts, 0) > 0);
  const until = Atomics.load(counts, 0) + REPLIES;
  const untilMs = performance.now() + BLOCKED_MS_MAX;
  // Nothing else runs on this thread before the replies are there: it never returns to its loop.
  for (;;) {
    const count = Atomics.load(counts, 0);
    const leftMs = untilMs - performance.now();
    if (count >= until || leftMs <= 0) break;
    Atomics.wait(counts, 0, count, leftMs);
  }
  expect(Atomics.load(counts, 0)).toBeGreaterThanOrEqual(until);
  expect(Atomics.load(counts, 1)).toBe(0);
});
