/**
 * Bodies far larger than any buffer, both ways: every byte arrives, and the gateway's memory does
 * not follow their size.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Digest, readBulk, writeBulk } from '../support/bulk-body.js';
import { BulkOrigin } from '../support/bulk-origin.js';
import { aConfig } from '../support/configs.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { MemoryWatch } from '../support/memory-watch.js';

const MIB = 1 << 20;
const WARM_UP_BYTES = 64 * MIB;
const GROWTH_BYTES_MAX = 64 * MIB;

let origin: BulkOrigin;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = await BulkOrigin.start();
  const config = aConfig([origin.url], { top: { workers: 1, limits: { bodyBytes: '1024MiB' } } });
  gateway = await GatewayProcess.start(config);
});

afterAll(async () => {
  await gateway.stop();
  await origin.close();
});

interface Transfer {
  readonly sent: Digest;
  readonly arrived: Digest;
}

async function upload(bytes: number, isChunked: boolean): Promise<Transfer> {
  const headers = isChunked ? {} : { 'content-length': bytes };
  const options: RequestOptions = { method: 'POST', headers };
  const request = httpRequest(`${gateway.url}/sink`, options);
  const replied = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
  const sha256 = await writeBulk(request, bytes);
  request.end();
  const reply = await replied;
  let text = '';
  for await (const chunk of reply) text += chunk;
  expect(reply.statusCode, text).toBe(200);
  return { sent: { bytes, sha256 }, arrived: JSON.parse(text) as Digest };
}

async function download(bytes: number, isChunked: boolean): Promise<Transfer> {
  const path = `/source?bytes=${bytes}${isChunked ? '&chunked' : ''}`;
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(`${gateway.url}${path}`, resolve).on('error', reject).end();
  });
  expect(reply.headers['transfer-encoding']).toBe(isChunked ? 'chunked' : undefined);
  const arrived = await readBulk(reply);
  return { sent: await origin.sent(), arrived };
}

const CASES = [
  { name: 'up with its length', transfer: upload, bytes: 1024 * MIB, isChunked: false },
  { name: 'down with its length', transfer: download, bytes: 1024 * MIB, isChunked: false },
  { name: 'up in chunks', transfer: upload, bytes: 256 * MIB, isChunked: true },
  { name: 'down in chunks', transfer: download, bytes: 256 * MIB, isChunked: true },
];

describe('a large body', () => {
  it.each(CASES)('goes $name whole, through bounded memory', async (given) => {
    const { transfer, bytes, isChunked, name } = given;
    await transfer(WARM_UP_BYTES, isChunked);
    const before = gateway.residentBytes();
    const watch = new MemoryWatch(() => gateway.residentBytes());
    const startMs = performance.now();
    const { sent, arrived } = await transfer(bytes, isChunked);
    const seconds = (performance.now() - startMs) / 1000;
    const growth = watch.stop() - before;
    // For the reader of the log; nothing here depends on the speed of the machine.
    const rate = Math.round(bytes / MIB / seconds);
    console.info(`${name}: ${rate} MiB/s, resident set +${Math.round(growth / MIB)} MiB`);
    expect(arrived).toEqual(sent);
    expect(arrived.bytes).toBe(bytes);
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
  });
});
