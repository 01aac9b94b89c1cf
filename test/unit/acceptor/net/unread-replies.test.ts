/**
 * Clients that ask and do not read: what waits for them in memory is bounded, and none of it is
 * kept when they are gone. Counted in bytes outside of the heap, of this process.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it } from 'vitest';
import { wireEngine } from '../../../../src/acceptor/net/wire-engine.js';
import { WINDOW_BYTES } from '../../../../src/channel/lane.js';
import { EngineRig, type PlayedExchange } from '../../../support/engine-rig.js';
import { eventually } from '../../../support/eventually.js';

const MIB = 1024 * 1024;
const GET = 'GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n';
const CLIENTS = 40;
const UNSENT_MAX = 4 * MIB;
const PIECE = Buffer.alloc(128 * 1024, 'x');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let rig: EngineRig;
afterEach(() => {
  const { errors } = rig.rig;
  rig.stop();
  expect(errors).toEqual([]);
});

/** As a worker sends a long reply: within the window, and more when the client takes some. */
function sendWithoutEnd(exchange: PlayedExchange): void {
  let window = WINDOW_BYTES;
  const goOn = (): void => {
    for (; window >= PIECE.length; window -= PIECE.length) exchange.send(PIECE);
  };
  exchange.onWindow = (bytes) => {
    window += bytes;
    goOn();
  };
  exchange.head({ bodyBytes: 1e12 });
  goOn();
}

/** Bytes outside of the heap that are in use. */
function outsideBytes(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

it('hold no more than their windows, and nothing when they are gone', async () => {
  rig = await EngineRig.start(wireEngine());
  rig.serve = sendWithoutEnd;
  const before = outsideBytes();
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => rig.connect()));
  for (const client of clients) {
    client.pause();
    client.send(GET);
  }
  await eventually('all are served', () => rig.exchanges.length === CLIENTS);
  await eventually('nothing moves any more', () => isStill());
  // What was collected is freed a moment later.
  const perClientMax = 1.1 * WINDOW_BYTES;
  await eventually('each holds its window, and what frames it', () => {
    return (outsideBytes() - before) / CLIENTS < perClientMax;
  });
  for (const client of clients) client.socket.resetAndDestroy();
  await eventually('all are gone', () => rig.openConnections === 0);
  // A few pieces are kept for other replies: see WriteMemory.
  await eventually('nothing else is kept', () => outsideBytes() - before < 2 * MIB);
});

let lastBytes = -1;
let stillCount = 0;
/** Nobody has taken anything for some turns. */
function isStill(): boolean {
  const bytes = process.memoryUsage().arrayBuffers;
  stillCount = bytes === lastBytes ? stillCount + 1 : 0;
  lastBytes = bytes;
  return stillCount >= 20;
}

it('are closed where all of them hold too much, those first that have stalled longest', async () => {
  rig = await EngineRig.start(wireEngine(UNSENT_MAX));
  rig.serve = (exchange) => {
    if (exchange.line === 'GET /quick') exchange.reply('quick');
    else sendWithoutEnd(exchange);
  };
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => rig.connect()));
  for (const client of clients) {
    client.pause();
    client.send(GET);
  }
  await eventually('all are served', () => rig.exchanges.length === CLIENTS);
  await eventually('enough are closed', () => {
    rig.advance(500);
    return rig.openConnections * WINDOW_BYTES <= UNSENT_MAX + WINDOW_BYTES;
  });
  // Those that hold no more than there may be go on.
  expect(rig.openConnections).toBeGreaterThanOrEqual(UNSENT_MAX / WINDOW_BYTES / 2);
  const quick = await rig.connect();
  quick.send(GET.replace('/a', '/quick'));
  await quick.until('quick');
  const given = rig.rig.strangers.told.filter((text) => text.startsWith('given up: took nothing'));
  expect(given.length).toBeGreaterThan(0);
});
