/**
 * Clients that mean harm, or are broken: whatever they do and wherever they stop, nothing of them is
 * left, and others are served.
 */
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AcceptorListener } from '../../../../src/acceptor/acceptor-listener.js';
import { wireEngine } from '../../../../src/acceptor/net/wire-engine.js';
import { SimRandom } from '../../../simulation/seeds.js';
import type { AcceptorWish } from '../../../support/acceptor-rig.js';
import { EngineRig, type RawClient } from '../../../support/engine-rig.js';
import { eventually } from '../../../support/eventually.js';

const HOST = 'Host: a.example\r\n';
const GET = `GET /a HTTP/1.1\r\n${HOST}\r\n`;
const CHUNKED = `POST /u HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
const MEASURED = `POST /u HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\n`;
const CROWD = 200;
const WAIT_MS = 20_000;

/** Requests, cut at each place where another state begins. */
const STATES: readonly (readonly [state: string, text: string])[] = [
  ['before a request', ''],
  ['in an empty line', '\r'],
  ['in the request line', 'GET /a HT'],
  ['in a field', 'GET /a HTTP/1.1\r\nHost: a.ex'],
  ['in the empty line of a head', GET.slice(0, -1)],
  ['behind a head', GET],
  ['before a body', MEASURED],
  ['in a body', `${MEASURED}hello`],
  ['in the size of a chunk', `${CHUNKED}5`],
  ['in a chunk', `${CHUNKED}5\r\nhel`],
  ['behind a chunk', `${CHUNKED}5\r\nhello`],
  ['in trailers', `${CHUNKED}0\r\nX-Sum: 1`],
  ['in a body that is refused', `POST /u HTTP/1.1\r\n${HOST}Content-Length: 999999999\r\n\r\nab`],
  ['behind what is no request', 'nonsense\r\n\r\nmore'],
  ['ahead of its turn', GET + GET + GET.slice(0, 20)],
];

let rig: EngineRig;

async function start(wish: AcceptorWish = {}): Promise<void> {
  rig = await EngineRig.start(wireEngine(), {
    ...wish,
    settings: { headMs: 1000, idleMs: 2000, bodyIdleMs: 1000, ...wish.settings },
    limits: { inFlight: 1000, ...wish.limits },
  });
}

beforeEach(() => start());

afterEach(() => {
  const { errors } = rig.rig;
  rig.stop();
  expect(errors).toEqual([]);
});

/** Nothing is left of anybody, by time-outs where it takes them; and somebody new is served. */
async function expectNothingLeft(): Promise<void> {
  await eventually(
    'no connection is open',
    () => {
      rig.advance(500);
      return rig.openConnections === 0;
    },
    WAIT_MS,
  );
  await eventually('no request is in flight', () => inFlight() === 0, WAIT_MS);
  rig.serve = (exchange) => exchange.reply('alive');
  const client = await rig.connect();
  client.send(GET);
  await client.until('alive');
}

function inFlight(): number {
  return rig.rig.dispatcher.table.inFlight;
}

function crowd(): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: CROWD }, () => rig.connect()));
}

it('a client that is gone before it is taken in is nobody, and not this machine', async () => {
  const opened = vi.spyOn(AcceptorListener.prototype, 'onOpened');
  const script = `
    const socket = require('net').connect(${rig.port}, '127.0.0.1', () => {
      socket.write(${JSON.stringify(GET)}, () => socket.resetAndDestroy());
    });`;
  // Nothing is taken in meanwhile.
  expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0);
  await expectNothingLeft();
  expect(opened).toHaveBeenCalledTimes(1);
  opened.mockRestore();
});

describe.each(STATES)('a client %s', (_state, text) => {
  it('that is reset leaves nothing', async () => {
    const client = await rig.connect();
    client.send(text);
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.resetAndDestroy();
    await expectNothingLeft();
  });

  it('that closes its side leaves nothing', async () => {
    rig.serve = (exchange) => exchange.reply();
    const client = await rig.connect();
    client.send(text);
    client.end();
    await expectNothingLeft();
  });

  it('that says no more, and neither closes, leaves nothing', async () => {
    rig.serve = (exchange) => exchange.reply();
    const client = await rig.connect();
    client.send(text);
    await expectNothingLeft();
  });
});

describe('many clients at once', () => {
  it.each([
    ['heads byte by byte', GET.slice(0, -1)],
    ['bodies byte by byte', `${CHUNKED}5\r\nhello\r\n`],
  ])('that send %s do not keep others from being served', async (_what, text) => {
    const clients = await crowd();
    for (const byte of text) for (const client of clients) client.send(byte);
    rig.serve = (exchange) => {
      if (exchange.line === 'GET /quiet') exchange.reply('quiet');
    };
    const quiet = await rig.connect();
    quiet.send(GET.replace('/a', '/quiet'));
    await quiet.until('quiet');
    await expectNothingLeft();
  });

  it('that never read are let go', async () => {
    rig.serve = (exchange) => exchange.reply('x'.repeat(30_000));
    for (const client of await crowd()) {
      client.pause();
      client.send(GET.repeat(50));
    }
    await eventually('all have asked', () => rig.exchanges.length >= CROWD, WAIT_MS);
    await expectNothingLeft();
  });

  it('that are reset in the middle of a reply are let go', async () => {
    const clients = await crowd();
    for (const client of clients) client.send(GET);
    await eventually('all have asked', () => rig.exchanges.length === CROWD, WAIT_MS);
    for (const exchange of rig.exchanges) exchange.head({ bodyBytes: 100, body: 'half' });
    await Promise.all(clients.map((client) => client.until('half')));
    for (const client of clients) client.socket.resetAndDestroy();
    await eventually('none is in flight', () => inFlight() === 0, WAIT_MS);
    // It reads that in a later turn.
    const isKnown = () => rig.exchanges.every(({ aborted }) => aborted !== '');
    await eventually('the worker knows', isKnown, WAIT_MS);
    await expectNothingLeft();
  });
});

describe('a flood of requests that are sent ahead', () => {
  it('is answered in order, and bounded', async () => {
    let number = 0;
    rig.serve = (exchange) => exchange.reply(`<${number++}>`);
    const client = await rig.connect();
    client.send(GET.repeat(1000));
    await client.until('<999>');
    const numbers = [...client.received.matchAll(/<(\d+)>/g)].map(([, digits]) => Number(digits));
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, at) => at));
    await expectNothingLeft();
  });
});

describe('bytes by chance', () => {
  it('are answered with refusals alone, or not at all', async () => {
    const random = new SimRandom(17);
    for (let at = 0; at < 200; at++) {
      const size = 1 + Math.floor(random.next() * 400);
      const client = await rig.connect();
      client.send(Buffer.from(Array.from({ length: size }, () => Math.floor(random.next() * 256))));
      client.end();
      await client.ended();
      expect(client.statuses.filter((status) => status < 400)).toEqual([]);
      client.destroy();
    }
    expect(rig.exchanges).toEqual([]);
    await expectNothingLeft();
  });

  it.each([
    ['a size above any number', `Content-Length: ${'9'.repeat(40)}\r\n`],
    ['a negative size', 'Content-Length: -1\r\n'],
    ['a size of 2^53', 'Content-Length: 9007199254740993\r\n'],
  ])('are refused: %s', async (_what, field) => {
    const client = await rig.connect();
    client.send(`POST /u HTTP/1.1\r\n${HOST}${field}\r\n`);
    await client.ended();
    expect(client.statuses).toEqual([400]);
    await expectNothingLeft();
  });

  it.each(['fffffffffffffffff', '-1', '0x5', ''])('are refused: a chunk of %j', async (size) => {
    const client = await rig.connect();
    client.send(`${CHUNKED}${size}\r\nhello\r\n`);
    await client.ended();
    expect(client.statuses).toEqual([400]);
    await expectNothingLeft();
  });
});
