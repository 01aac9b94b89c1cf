/** HTTP/2 towards clients, over real sockets: streams, windows, time, the end of a connection. */
import { afterEach, describe, expect, it } from 'vitest';
import { wireEngine } from '../../../../src/acceptor/net/wire-engine.js';
import { field } from '../../../../src/base/field-block.js';
import {
  AcceptorLoads,
  allocateLoads,
  FITNESS,
} from '../../../../src/channel/acceptor/acceptor-loads.js';
import { WINDOW_BYTES, WINDOW_CREDIT_BYTES } from '../../../../src/channel/lane.js';
import {
  FLAG_BODILESS,
  FLAG_END,
  FLAG_TUNNEL,
} from '../../../../src/channel/records/record-kind.js';
import { SETTINGS_ACK_MS } from '../../../../src/wire/http2/stream-connection.js';
import type { AcceptorWish } from '../../../support/acceptor-rig.js';
import { EngineRig, type PlayedExchange } from '../../../support/engine-rig.js';
import { A_TLS_LISTENER } from '../../../support/engines.js';
import { eventually } from '../../../support/eventually.js';
import { encodeBlock } from '../../../support/hpack-blocks.js';
import { type ClientWish, Http2Client, settingsFrame } from '../../../support/http2-client.js';
import { frame, number32 } from '../../../support/http2-frames.js';
import { A_LISTENER } from '../../../support/listener-settings.js';
import { makeCertificate } from '../../../support/test-certificate.js';
import { certificateOf, materialOf } from '../../../support/tls-door-rig.js';

const H2C = { protocols: ['http1', 'h2c'] } as const;
const WINDOW = 65_535;
const MIB = 1024 * 1024;

let open: EngineRig | null = null;
const clients: Http2Client[] = [];

async function start(wish: AcceptorWish = {}): Promise<EngineRig> {
  open = await EngineRig.start(wireEngine(), { ...wish, settings: { ...H2C, ...wish.settings } });
  return open;
}

async function connect(rig: EngineRig, wish: ClientWish = {}): Promise<Http2Client> {
  const client = await Http2Client.connect(rig.port, wish);
  clients.push(client);
  return client;
}

async function aClient(
  wish: AcceptorWish = {},
  own: ClientWish = {},
): Promise<[Http2Client, EngineRig]> {
  const rig = await start(wish);
  return [await connect(rig, own), rig];
}

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  const errors = open?.rig.errors ?? [];
  open?.stop();
  open = null;
  expect(errors).toEqual([]);
});

describe('a stream', () => {
  it('brings a request, and takes its reply', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true, [['x-one', '1']]));
    const exchange = await rig.exchange();
    expect([exchange.line, exchange.peer, exchange.connection]).toEqual([
      'GET /1',
      '127.0.0.1',
      'http',
    ]);
    expect([exchange.values('host'), exchange.values('x-one')]).toEqual([['a.example'], ['1']]);
    exchange.reply('hello', 201, field('X-Two', '2'));
    await client.ended(1);
    const head = await client.until(/^headers 1 /);
    expect(head).toMatch(
      /^headers 1 :status=201 x-request-id=req-1 x-two=2 date=\S.* content-length=5$/,
    );
    expect(client.bodies.get(1)).toBe('hello');
  });

  it('does not wait for another one', async () => {
    const [client, rig] = await aClient();
    for (const id of [1, 3, 5]) client.send(client.head(id, true));
    await rig.exchange(2);
    for (const at of [2, 0, 1]) rig.exchanges[at]?.reply(`r${at}`);
    await Promise.all([1, 3, 5].map((id) => client.ended(id)));
    expect([1, 3, 5].map((id) => client.bodies.get(id))).toEqual(['r0', 'r1', 'r2']);
  });

  it('leaves with the other replies of its turn in one write', async () => {
    const [client, rig] = await aClient();
    client.send(...Array.from({ length: 16 }, (_, at) => client.head(2 * at + 1, true)));
    await rig.exchange(15);
    await client.until('settings ack');
    const before = client.reads;
    for (const exchange of rig.exchanges) exchange.reply('x');
    await client.ended(31);
    expect(client.reads - before).toBe(1);
  });

  it('brings a body in pieces, and fields behind it', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'hello'));
    client.send(frame(0, 8, 1, '\x03xyz\0\0\0'), client.fields(1, true, [['x-sum', '7']]));
    const exchange = await rig.exchange();
    await eventually('the body is there', () => exchange.isComplete);
    expect([exchange.body, exchange.trailers]).toEqual(['helloxyz', '{"x-sum":"7"}']);
    exchange.reply();
    await client.ended(1);
  });

  it('brings a body in tiny frames as few pieces', async () => {
    const [client, rig] = await aClient();
    let pieces = 0;
    rig.serve = (exchange) => {
      exchange.onData = () => {
        pieces += 1;
      };
    };
    const text = Array.from({ length: 3000 }, (_, at) => String.fromCharCode(97 + (at % 26)));
    const other = (at: number) => (at % 100 === 0 ? [client.data(3, '.')] : []);
    client.send(client.head(1, false, [], 'POST'), client.head(3, false, [], 'POST'));
    client.send(...text.flatMap((char, at) => [client.data(1, char), ...other(at)]));
    client.send(client.data(1, '', true), client.data(3, '', true));
    const [first, second] = [await rig.exchange(), await rig.exchange(1)];
    await eventually('both are there', () => first.isComplete && second.isComplete);
    expect([first.body, second.body]).toEqual([text.join(''), '.'.repeat(30)]);
    expect(pieces).toBeLessThan(150);
  });

  it('may say that it has no body before it ends', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, false, [['content-length', '0']], 'POST'), client.data(1, '', true));
    const exchange = await rig.exchange();
    expect(exchange.isComplete).toBe(true);
    exchange.reply();
    await client.ended(1);
    client.send(client.head(3, false, [['content-length', '0']], 'POST'));
    (await rig.exchange(1)).reply();
    await eventually('its end is not waited for', () => {
      rig.advance(500);
      return client.lines.includes('reset 3 0');
    });
    expect(client.lines).not.toContain('reset 1 0');
  });

  it('carries heads before the reply, pieces of any size, and trailers', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true));
    const exchange = await rig.exchange();
    exchange.interim(103, 'Link', '</a>');
    exchange.head({ fields: field('Connection', 'close') });
    exchange.send('one');
    exchange.send('two');
    exchange.sendTrailers('X-Sum', '6');
    await client.ended(1);
    expect(client.lines.filter((line) => /^(headers|data) 1/.test(line))).toEqual([
      'headers 1 :status=103 link=</a>',
      expect.stringMatching(/^headers 1 :status=200 x-request-id=req-1 date=\S[^=]*$/),
      'data 1 one',
      'data 1 two',
      'headers 1 x-sum=6 END',
    ]);
  });

  it('ends with a head that has no body', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true, [], 'HEAD'), client.head(3, true), client.head(5, true));
    await rig.exchange(2);
    rig.exchanges[0]?.head({ flags: FLAG_END | FLAG_BODILESS, bodyBytes: 12 });
    rig.exchanges[1]?.head({ flags: FLAG_END, status: 204, bodyBytes: 0 });
    rig.exchanges[2]?.head({ flags: FLAG_END, status: 200, bodyBytes: 0 });
    await Promise.all([1, 3, 5].map((id) => client.ended(id)));
    expect(await client.until(/^headers 1/)).toMatch(/content-length=12 END$/);
    expect(await client.until(/^headers 3/)).not.toMatch(/content-length/);
    expect(await client.until(/^headers 5/)).toMatch(/content-length=0 END$/);
  });

  it('asks for a body that waits for 100', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, false, [['expect', '100-continue']], 'POST'));
    const exchange = await rig.exchange();
    exchange.wantBody();
    await client.until('headers 1 :status=100');
    client.send(client.data(1, 'body', true));
    await eventually('the body is there', () => exchange.isComplete);
    exchange.reply();
    await client.ended(1);
  });

  it('is reset when its reply is cut off, and tells when the client resets it', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true), client.head(3, true));
    await rig.exchange(1);
    rig.exchanges[0]?.head({});
    rig.exchanges[0]?.cut();
    await client.until('reset 1 2');
    client.send(frame(3, 0, 3, number32(8)));
    await eventually('the worker knows', () => rig.exchanges[1]?.aborted === 'left');
    rig.serve = (exchange) => exchange.reply('still');
    expect(await client.get(5)).toBe('still');
  });

  it('ends behind a reply that came before the end of the upload; the connection does not', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'begin'));
    (await rig.exchange()).reply('early', 403);
    await client.ended(1);
    expect(client.lines).not.toContain('reset 1 0');
    client.send(client.data(1, 'more'));
    await eventually('the upload is stopped', () => {
      rig.advance(500);
      return client.lines.includes('reset 1 0');
    });
    client.send(client.data(1, 'still more'));
    rig.serve = (exchange) => exchange.reply('next');
    expect(await client.get(3)).toBe('next');
    // Another one that ends in time is not reset.
    rig.serve = (exchange) => exchange.reply('early');
    client.send(client.head(5, false, [], 'POST'));
    await client.ended(5);
    client.send(client.data(5, 'end', true));
    await client.get(7);
    rig.advance(3000);
    await client.get(9);
    expect(client.lines).not.toContain('reset 5 0');
  });

  it('goes on with its upload while the reply runs', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, false, [], 'POST'));
    const exchange = await rig.exchange();
    exchange.head({});
    for (const piece of ['a', 'b', 'c']) {
      client.send(client.data(1, piece));
      await eventually('the piece is there', () => exchange.body.endsWith(piece));
      exchange.send(exchange.body);
      await eventually('it comes back', () => client.bodies.get(1)?.endsWith(piece) === true);
    }
    client.send(client.data(1, '', true));
    await eventually('the body is there', () => exchange.isComplete);
    exchange.end();
    await client.ended(1);
    expect(client.bodies.get(1)).toBe('aababc');
  });

  it('is refused with a problem document where the head is well-formed', async () => {
    const records: string[] = [];
    const [client, rig] = await aClient({
      onLocalReply: ({ kind, cause, method }) => records.push(`${kind.code} ${method} ${cause}`),
    });
    client.send(client.head(1, true, [['expect', 'x']]), client.head(3, true));
    await client.ended(1);
    expect(await client.until(/^headers 1/)).toMatch(/:status=417 .*application\/problem\+json/);
    expect(records).toEqual(['GW_EXPECTATION_UNKNOWN GET an expectation other than 100-continue']);
    (await rig.exchange()).reply();
    await client.ended(3);
  });

  it('that is malformed is reset, counted, recorded, and no other one is touched', async () => {
    const records: string[] = [];
    const [client, rig] = await aClient({
      onLocalReply: ({ kind, cause, method, target, peer, protocol }) =>
        records.push(`${kind.code} ${method} ${target} ${peer} ${protocol}: ${cause}`),
    });
    client.send(client.head(1, true), client.head(3, true, [['Upper', 'x']]));
    await client.until('reset 3 1');
    (await rig.exchange()).reply();
    await client.ended(1);
    const reason = 'a field whose name or value HTTP/2 does not allow';
    expect(rig.rig.acceptor.listeners[0]?.mistakes).toEqual([[reason, 1]]);
    expect(rig.rig.strangers.told).toEqual([`mistake: ${reason}`]);
    expect(records).toEqual([`GW_STREAM_MALFORMED GET /3 127.0.0.1 20: ${reason}`]);
  });
});

describe('a stream that becomes a tunnel', () => {
  const wish = (client: Http2Client, id: number, protocol = 'websocket') =>
    client.fields(id, false, [
      [':method', 'CONNECT'],
      [':protocol', protocol],
      [':scheme', 'http'],
      [':path', '/chat'],
      [':authority', 'a.example'],
      ['sec-websocket-version', '13'],
    ]);

  async function anOpenOne(): Promise<[Http2Client, PlayedExchange, EngineRig]> {
    const [client, rig] = await aClient();
    client.send(wish(client, 1), client.data(1, 'early '));
    const exchange = await rig.exchange();
    exchange.head({ flags: FLAG_TUNNEL, status: 101 });
    await client.until(/^headers 1 :status=200 /);
    return [client, exchange, rig];
  }

  it('is offered, and asked for as in HTTP/1.1', async () => {
    const [client, exchange] = await anOpenOne();
    expect(await client.until(/^settings /)).toContain('000800000001');
    expect(exchange.line).toBe('GET /chat');
    expect(exchange.values('sec-websocket-version')).toEqual(['13']);
    expect(await client.until(/^headers 1 /)).not.toMatch(/content-length|upgrade/);
  });

  it('carries bytes both ways, and each way ends by itself', async () => {
    const [client, exchange] = await anOpenOne();
    client.send(client.data(1, 'up'));
    await eventually('it is there', () => exchange.tunnel === 'early up');
    exchange.sendDown('down');
    await client.until('data 1 down');
    client.send(client.data(1, ' end', true));
    await eventually('its way up has ended', () => exchange.isTunnelEnded);
    expect(exchange.tunnel).toBe('early up end');
    exchange.sendDown('more');
    exchange.endDown();
    await client.ended(1);
    expect(client.bodies.get(1)).toBe('downmore');
    expect(client.lines.join()).not.toContain('reset');
  });

  it('goes on upwards when its way down has ended', async () => {
    const [client, exchange, rig] = await anOpenOne();
    exchange.endDown();
    await client.ended(1);
    rig.advance(5000);
    client.send(client.data(1, 'still', true));
    await eventually('it is there', () => exchange.isTunnelEnded);
    expect(exchange.tunnel).toBe('early still');
    expect(client.lines.join()).not.toContain('reset');
  });

  it('tells when the client is gone, and the client when the target is', async () => {
    const [client, exchange, rig] = await anOpenOne();
    client.send(frame(3, 0, 1, number32(8)), wish(client, 3));
    await eventually('it is given up', () => exchange.aborted === 'left');
    const second = await rig.exchange(1);
    second.head({ flags: FLAG_TUNNEL, status: 101 });
    second.cut();
    await client.until('reset 3 8');
  });

  it('is reset soon after the gateway has ended it, though its client goes on', async () => {
    const [client, exchange, rig] = await anOpenOne();
    exchange.endDown();
    exchange.cut();
    await client.ended(1);
    await eventually('it is reset', () => {
      client.send(client.data(1, 'x'));
      rig.advance(100);
      return client.lines.includes('reset 1 0');
    });
    expect(exchange.tunnel).toBe('early ');
  });

  it('may be refused, and is never another protocol', async () => {
    const [client, rig] = await aClient();
    client.send(wish(client, 1), client.data(1, 'early'), wish(client, 3, 'other'));
    (await rig.exchange()).reply('no', 403);
    await client.ended(1);
    expect(await client.until(/^headers 1 /)).toContain(':status=403');
    expect(await client.until(/^headers 3 /)).toContain(':status=501');
    await eventually('what came early is not waited for', () => {
      rig.advance(500);
      return client.lines.includes('reset 1 0');
    });
    expect(rig.exchanges[0]?.tunnel).toBe('');
  });
});

describe('windows', () => {
  it('hold a reply back, and the worker is not told that it was taken', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true));
    const exchange = await rig.exchange();
    let credited = 0;
    exchange.onWindow = (bytes) => {
      credited += bytes;
    };
    exchange.head({});
    const piece = Buffer.alloc(64 * 1024, 'x');
    for (let sent = 0; sent < WINDOW_BYTES; sent += piece.length) exchange.send(piece);
    exchange.end();
    await eventually('the window is used up', () => client.bodies.get(1)?.length === WINDOW);
    expect(credited).toBeLessThanOrEqual(WINDOW);
    for (let got = WINDOW; got < WINDOW_BYTES; got = client.bodies.get(1)?.length ?? 0) {
      client.send(frame(8, 0, 0, number32(40_000)), frame(8, 0, 1, number32(40_000)));
      await eventually('more comes', () => (client.bodies.get(1)?.length ?? 0) > got);
    }
    await client.ended(1);
    expect(client.bodies.get(1)).toHaveLength(WINDOW_BYTES);
    expect(credited).toBeGreaterThanOrEqual(WINDOW_BYTES / 2);
  });

  it('of the connection are shared by turns', async () => {
    const [client, rig] = await aClient({}, { settings: [[4, 1 << 20]] });
    client.send(client.head(1, true), client.head(3, true));
    await rig.exchange(1);
    for (const exchange of rig.exchanges) {
      exchange.head({});
      for (let at = 0; at < 3; at++) exchange.send(Buffer.alloc(100_000, 'x'));
      exchange.end();
    }
    for (let turn = 0; turn < 8; turn++) {
      client.send(frame(8, 0, 0, number32(70_000)));
      await client.until(/^settings ack/);
      await eventually('the window is used', () => {
        const got = [1, 3].map((id) => client.bodies.get(id)?.length ?? 0);
        return (got[0] ?? 0) + (got[1] ?? 0) >= Math.min(600_000, 65_535 + 70_000 * (turn + 1));
      });
    }
    await Promise.all([client.ended(1), client.ended(3)]);
  });

  it('keep an upload back that nobody takes, within bounds', async () => {
    const [client, rig] = await aClient({ limits: { bodyBytes: 1 << 30 } });
    client.send(client.head(1, false, [], 'POST'));
    const exchange = await rig.exchange();
    const piece = Buffer.alloc(16_384, 'x');
    let room = 256 * 1024;
    let connectionRoom = WINDOW;
    let sent = 0;
    const taken = (stream: number): number =>
      client.lines
        .filter((line) => line.startsWith(`window ${stream} `))
        .reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
    const send = (): void => {
      room = 256 * 1024 + taken(1);
      connectionRoom = WINDOW + taken(0);
      while (sent + piece.length <= Math.min(room, connectionRoom)) {
        client.send(client.data(1, piece));
        sent += piece.length;
      }
    };
    let before = -1;
    await eventually('no more is let in', async () => {
      const stood = sent === before && exchange.body.length >= WINDOW_BYTES;
      before = sent;
      send();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return stood;
    });
    // The window of the lane, and of the stream.
    expect(sent).toBeLessThanOrEqual(WINDOW_BYTES + 2 * 256 * 1024);
    // Another stream is not kept back by it.
    client.send(client.head(3, false, [], 'POST'), client.data(3, 'small', true));
    const other = await rig.exchange(1);
    await eventually('its body is there', () => other.isComplete);
    exchange.giveWindow(WINDOW_BYTES);
    const stood = sent;
    await eventually('more is let in', () => {
      send();
      return sent > stood;
    });
  });

  it('that stay closed end their stream after a minute', async () => {
    const [client, rig] = await aClient({}, { settings: [[4, 0]] });
    client.send(client.head(1, true));
    (await rig.exchange()).reply('waits');
    await client.until(/^headers 1/);
    await eventually('it is given up', () => {
      rig.advance(10_000);
      return client.lines.includes('reset 1 8');
    });
  });

  /** As a worker sends a reply without end: as far as its window lets it. */
  function sendWithoutEnd(exchange: PlayedExchange): { sent: number; given: number } {
    const piece = Buffer.alloc(16 * 1024, 'x');
    const figures = { sent: 0, given: exchange.replyWindow };
    const goOn = (): void => {
      for (; figures.sent + piece.length <= figures.given; figures.sent += piece.length) {
        exchange.send(piece);
      }
    };
    exchange.onWindow = (bytes) => {
      figures.given += bytes;
      goOn();
    };
    exchange.head({ bodyBytes: 1e12 });
    goOn();
    return figures;
  }

  const unread = [
    ['whose windows are closed', { settings: [[4, 0]] }],
    ['that does not read', { settings: [[4, 1 << 30]] }],
  ] as const;
  it.each(unread)('bound what 128 streams cost of a client %s', async (_, own) => {
    const limits = { inFlight: 200, laneDepth: 200 };
    const [client, rig] = await aClient({ limits }, { settings: [...own.settings] });
    if (own.settings[0][1] > 0) client.send(frame(8, 0, 0, number32(1 << 30)));
    await client.until('settings ack');
    client.socket.pause();
    const figures: ReturnType<typeof sendWithoutEnd>[] = [];
    rig.serve = (exchange) => void figures.push(sendWithoutEnd(exchange));
    for (let at = 0; at < 128; at++) client.send(client.head(2 * at + 1, true));
    await rig.exchange(127);
    let before = -1;
    const sentBytes = (): number => figures.reduce((sum, { sent }) => sum + sent, 0);
    await eventually('nothing moves any more', async () => {
      const stood = sentBytes() === before;
      before = sentBytes();
      await new Promise((resolve) => setTimeout(resolve, 200));
      return stood;
    });
    // Half a MiB for each would be 64 MiB; the kernel takes some where the client does not read.
    expect(sentBytes()).toBeLessThan(own.settings[0][1] === 0 ? 8 * MIB : 20 * MIB);
    for (const { given } of figures) expect(given).toBeGreaterThanOrEqual(32 * 1024);
    const stood = figures.map(({ sent }) => sent);
    client.socket.resume();
    client.send(settingsFrame([[4, 1 << 30]]), frame(8, 0, 0, number32(1 << 30)));
    await eventually('all go on', () => figures.every(({ sent }, at) => sent > (stood[at] ?? 0)));
  });

  it('grow while a client takes all that comes, up to the largest', async () => {
    const [client, rig] = await aClient({}, { settings: [[4, 1 << 30]] });
    client.send(frame(8, 0, 0, number32(1 << 30)), client.head(1, true));
    const exchange = await rig.exchange();
    const first = exchange.replyWindow;
    expect(first).toBeLessThan(WINDOW_BYTES);
    const figures = sendWithoutEnd(exchange);
    await eventually('much has come', () => (client.bodies.get(1)?.length ?? 0) > 4 * MIB);
    // All but what is not credited yet.
    await eventually('it is the largest', () => {
      const taken = client.bodies.get(1)?.length ?? 0;
      return figures.given - taken > WINDOW_BYTES - WINDOW_CREDIT_BYTES;
    });
    expect(figures.given - figures.sent).toBeLessThanOrEqual(WINDOW_BYTES);
    client.destroy();
  });

  it('are given back by replies that have ended, and by streams that were reset', async () => {
    const [client, rig] = await aClient();
    const windows: number[] = [];
    rig.serve = (exchange) => {
      windows.push(exchange.replyWindow);
      if (exchange.line !== 'GET /101') exchange.reply('done');
    };
    for (let id = 1; id < 101; id += 2) await client.get(id);
    client.send(client.head(101, true));
    await rig.exchange(50);
    client.send(frame(3, 0, 101, number32(8)));
    await client.get(103);
    expect(new Set(windows)).toEqual(new Set([windows[0]]));
  });

  it('that are closed give their streams up first where memory is short', async () => {
    open = await EngineRig.start(wireEngine(64 * 1024), { settings: H2C });
    const rig = open;
    const client = await connect(rig, { settings: [[4, 0]] });
    rig.serve = (exchange) => {
      if (exchange.line === 'GET /quick') exchange.reply('');
      else sendWithoutEnd(exchange);
    };
    client.send(client.head(1, true), client.head(3, true));
    await client.until(/^headers 3/);
    await eventually('they are given up', () => {
      rig.advance(500);
      return client.lines.includes('reset 1 8') && client.lines.includes('reset 3 8');
    });
    rig.serve = (exchange) => exchange.head({ flags: FLAG_END, bodyBytes: 0 });
    client.send(client.head(5, true));
    await client.ended(5);
    const given = rig.rig.strangers.told.filter((text) => text.startsWith('given up'));
    expect(given.length).toBeGreaterThan(0);
  });

  it('of the socket bound what a client costs that reads nothing', async () => {
    const [client, rig] = await aClient({}, { settings: [[4, 1 << 30]] });
    client.send(frame(8, 0, 0, number32(1 << 30)));
    await client.until('settings ack');
    rig.serve = (exchange) => exchange.reply('y'.repeat(100_000));
    client.socket.pause();
    // More than the buffers of the two sockets take.
    for (let id = 1; id < 2 * 300; id += 2) client.send(client.head(id, true));
    let before = -1;
    await eventually('nothing is under way any more', async () => {
      const stood = rig.exchanges.length === before;
      before = rig.exchanges.length;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return stood && before > 0;
    });
    client.socket.resume();
    await eventually(
      'each is answered, or refused',
      () => client.lines.filter((line) => / END$|^reset \d+ 7$/.test(line)).length === 300,
    );
  });
});

describe('a connection', () => {
  it('without TLS is told from HTTP/1.1 by its first bytes', async () => {
    const rig = await start();
    rig.serve = (exchange) => exchange.reply(exchange.line);
    const old = await rig.connect();
    for (const part of ['P', 'OST / HTTP/1.1\r\nHost: a\r\n', 'Content-Length: 0\r\n\r\n']) {
      old.send(part);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await old.until('POST /');
    const client = await connect(rig, { isSilent: true });
    for (const part of ['P', 'RI', ' * HTTP/2.0\r\n', '\r\nSM\r\n\r\n']) {
      client.send(part);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    client.send(frame(4, 0, 0));
    expect(await client.get(1)).toBe('GET /1');
  });

  it('where only HTTP/1.1 is spoken is refused', async () => {
    const rig = await start({ settings: { protocols: ['http1'] } });
    const client = await rig.connect();
    client.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await client.until(/^HTTP\/1\.1 505 /);
  });

  it('where only HTTP/2 is spoken ends with whatever else comes', async () => {
    const [client] = await aClient({ settings: { protocols: ['h2c'] } }, { isSilent: true });
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until('goaway 0 1');
    await client.closed();
  });

  it('may begin with a header of the PROXY protocol', async () => {
    const proxies = { proxyProtocol: 'any', trustedProxies: ['127.0.0.0/8'] } as const;
    const intro = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n';
    const [client, rig] = await aClient({ settings: proxies }, { intro });
    rig.serve = (exchange) => exchange.reply(exchange.peer);
    expect(await client.get(1)).toBe('192.0.2.7');
  });

  it('that is idle ends in order', async () => {
    const [client, rig] = await aClient({ settings: { idleMs: 5000 } });
    rig.serve = (exchange) => exchange.reply();
    await client.get(1);
    rig.advance(4000);
    await client.get(3);
    rig.advance(4000);
    await client.get(5);
    rig.advance(6000);
    await client.until('goaway 2147483647 0');
    await client.until('goaway 5 0');
    await client.closed();
  });

  it('that sends no preface, or half a head, is not waited for', async () => {
    const [client, rig] = await aClient({ settings: { headMs: 2000 } }, { isSilent: true });
    client.send('PRI * HTTP/2.0\r\n');
    const half = await connect(rig);
    await half.until('settings ack');
    half.send(half.head(1, true).subarray(0, -1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    rig.advance(3000);
    await client.closed();
    await half.until('goaway 0 1');
    await half.closed();
    expect(rig.rig.strangers.told.sort()).toEqual([
      'mistake: a head that came too slowly',
      'mistake: no preface of HTTP/2 in time',
    ]);
  });

  it('outlives a body that does not come', async () => {
    const [client, rig] = await aClient({ settings: { bodyIdleMs: 2000 } });
    client.send(client.head(1, false, [], 'POST'), client.data(1, 'a'));
    const exchange = await rig.exchange();
    await eventually('it has begun', () => exchange.body === 'a');
    rig.advance(3000);
    await client.until(/^headers 1 :status=408/);
    rig.advance(2000);
    await client.until('reset 1 0');
    rig.serve = (next) => next.reply('next');
    expect(await client.get(3)).toBe('next');
  });

  it('lets a call of gRPC be silent, and stops it behind its reply all the same', async () => {
    const [client, rig] = await aClient({ settings: { bodyIdleMs: 2000 } });
    const type = [['content-type', 'application/grpc']] as const;
    client.send(client.head(1, false, type, 'POST'), client.data(1, 'a'));
    const exchange = await rig.exchange();
    await eventually('it has begun', () => exchange.body === 'a');
    exchange.conversation();
    // Whoever lets settings wait for so long is cut off for that.
    await client.until(/^settings \w{12}/);
    await client.send(frame(6, 0, 0, 'are read')).until('ping ack are read');
    for (let at = 0; at < 20; at += 1) rig.advance(3000);
    client.send(client.data(1, 'b'));
    await eventually('it goes on', () => exchange.body === 'ab');
    rig.advance(3000);
    exchange.reply('done');
    await client.ended(1);
    rig.advance(2000);
    await client.until('reset 1 0');
    expect(client.bodies.get(1)).toBe('done');
  });

  it('outlives a body that comes too slowly', async () => {
    const [client, rig] = await aClient({ limits: { bodyRate: 1000 } });
    client.send(client.head(1, false, [], 'POST'));
    const exchange = await rig.exchange();
    for (let look = 1; look <= 12 && rig.refusals.length === 0; look++) {
      client.send(client.data(1, 'x'));
      await eventually('it has come', () => exchange.body.length === look);
      rig.advance(3000);
    }
    await client.until(/^headers 1 :status=408/);
    rig.serve = (next) => next.reply('next');
    expect(await client.get(3)).toBe('next');
  });

  it('whose client does not acknowledge the settings ends', async () => {
    const [client, rig] = await aClient({}, { isPolite: false });
    client.send(client.head(1, true));
    const exchange = await rig.exchange();
    rig.advance(A_LISTENER.headMs + SETTINGS_ACK_MS - 1000);
    client.send(frame(6, 0, 0, '12345678'));
    await client.until('ping ack 12345678');
    expect(client.isClosed).toBe(false);
    rig.advance(2000);
    await client.until('goaway 1 4');
    await client.closed();
    await eventually('the worker knows', () => exchange.aborted === 'left');
    expect(rig.rig.strangers.told).toContainEqual(expect.stringContaining('not acknowledged'));
  });

  it('whose client has acknowledged them late stays', async () => {
    const [client, rig] = await aClient({}, { isPolite: false });
    client.send(client.head(1, true));
    await rig.exchange();
    rig.advance(SETTINGS_ACK_MS);
    client.send(frame(4, 1, 0), frame(6, 0, 0, '12345678'));
    await client.until('ping ack 12345678');
    rig.advance(60_000);
    rig.exchanges[0]?.reply('late');
    await client.ended(1);
  });

  it('that drains is told in two steps, and finishes its streams', async () => {
    const [client, rig] = await aClient({}, { isPolite: false });
    client.send(client.head(1, true));
    const first = await rig.exchange();
    rig.rig.acceptor.stopListening();
    await client.until('goaway 2147483647 0');
    await client.until('ping draining');
    // What was on its way is still served.
    client.send(client.head(3, true));
    const second = await rig.exchange(1);
    client.send(frame(6, 1, 0, 'draining'));
    await client.until('goaway 3 0');
    client.send(client.head(5, true));
    second.reply('second');
    await client.ended(3);
    expect(client.isClosed).toBe(false);
    first.reply('first');
    await client.ended(1);
    await client.closed();
    expect(rig.exchanges).toHaveLength(2);
  });

  it('is told to go where its cell has no worker, and another one serves', async () => {
    const memory = allocateLoads(2);
    new AcceptorLoads(memory, 1).setFitness(FITNESS.serving);
    const loads = new AcceptorLoads(memory, 0);
    const cell = { loads, addresses: null, acceptorCount: 2, incarnation: 0 };
    const [client, rig] = await aClient({ cell });
    await client.until('settings ack');
    rig.rig.dispatcher.detach(0);
    rig.advance(1100);
    client.send(client.head(1, true));
    await client.until('goaway 2147483647 0');
    await client.ended(1);
    await client.until('goaway 1 0');
    await client.closed();
  });

  it('that drains does not wait for a client that answers no PING', async () => {
    const [client, rig] = await aClient({}, { isPolite: false });
    await client.until('settings ack');
    rig.rig.acceptor.stopListening();
    await client.until('goaway 2147483647 0');
    rig.advance(2000);
    await client.until('goaway 0 0');
    await client.closed();
  });

  it('ends behind a number of requests', async () => {
    const [client, rig] = await aClient({ settings: { keepAliveRequests: 2 } });
    rig.serve = (exchange) => exchange.reply();
    await client.get(1);
    expect(client.lines.join()).not.toContain('goaway');
    await client.get(3);
    await client.until('goaway 3 0');
    await client.closed();
  });

  it('whose client leaves gives up what is under way', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true), client.head(3, false, [], 'POST'));
    await rig.exchange(1);
    client.destroy();
    // A client that has only closed its side looks the same until it is asked.
    await eventually('both are given up', () => {
      rig.advance(500);
      return rig.exchanges.every(({ aborted }) => aborted === 'left');
    });
    await eventually('it is counted out', () => rig.openConnections === 0);
  });

  it('whose client closes its side gets the reply to what it has asked', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true), client.head(3, false, [], 'POST'));
    await rig.exchange(1);
    client.socket.end();
    await eventually('half a request is given up', () => rig.exchanges[1]?.aborted === 'left');
    rig.exchanges[0]?.reply('late');
    await client.ended(1);
    await client.closed();
  });

  it('is cut when the gateway closes, and says so', async () => {
    const [client, rig] = await aClient();
    client.send(client.head(1, true));
    const exchange = await rig.exchange();
    rig.rig.acceptor.close();
    await client.until('goaway 1 0');
    await client.closed();
    await eventually('the worker knows', () => exchange.aborted === 'cut');
  });

  it('keeps fields apart that are compressed together', async () => {
    const [client, rig] = await aClient();
    rig.serve = (exchange) => exchange.reply('', 200, field('x-path', exchange.line));
    for (let id = 1; id < 100; id += 2) {
      client.send(client.head(id, true));
      expect(await client.until(new RegExp(`^headers ${id} `))).toContain(`x-path=GET /${id} `);
    }
  });
});

describe('with TLS', () => {
  const tls = { tls: A_TLS_LISTENER, protocols: ['http1', 'h2'] } as const;

  function material() {
    return materialOf(
      [
        certificateOf(['a.example', '*.a.example'], [makeCertificate()]),
        certificateOf(['b.example'], [makeCertificate()]),
      ],
      { protocols: ['h2', 'http/1.1'] },
    );
  }

  const asking = (client: Http2Client, id: number, host: string) => {
    client.send(
      frame(
        1,
        5,
        id,
        encodeBlock(client.encoder, [
          [':method', 'GET'],
          [':scheme', 'https'],
          [':authority', host],
          [':path', '/'],
        ]),
      ),
    );
    return client.until(new RegExp(`^headers ${id} `));
  };

  it('that is spoken alone turns away who has not agreed on it', async () => {
    const only = { tls: A_TLS_LISTENER, protocols: ['h2'] } as const;
    const rig = await start({ settings: only, material: material() });
    const client = await rig.connect();
    await client.ended();
    await eventually('it is counted out', () => rig.openConnections === 0);
    expect(rig.rig.strangers.told).toEqual(['away: no ALPN of HTTP/2, and nothing else is spoken']);
  });

  it('serves names of its certificate, and sends others away', async () => {
    const own = { tls: { servername: 'a.example' } };
    const [client, rig] = await aClient({ settings: tls, material: material() }, own);
    rig.serve = (exchange) => exchange.reply(exchange.connection);
    expect(await asking(client, 1, 'A.example:8443')).toContain(':status=200');
    expect(await asking(client, 3, 'x.a.example')).toContain(':status=200');
    expect(await asking(client, 5, 'b.example')).toContain(':status=421');
    expect(await asking(client, 7, 'a.example')).toContain(':status=200');
    expect(client.bodies.get(1)).toBe('https\ta.example\t');
    expect(rig.refusals).toEqual(['GW_HOST_MISDIRECTED']);
  });
});

describe('whoever leaves leaves nothing behind', () => {
  const POST = (client: Http2Client) => client.head(1, false, [], 'POST');
  /** What a client has sent when it goes, and what its reply has come to by then. */
  const states: [string, (client: Http2Client) => Buffer[], (exchange: PlayedExchange) => void][] =
    [
      ['before a request', () => [], () => {}],
      ['in a frame', (c) => [c.head(1, true).subarray(0, 12)], () => {}],
      ['in a header block', () => [frame(1, 1, 1, [0x82])], () => {}],
      ['behind a head', (c) => [c.head(1, true)], () => {}],
      ['in a body', (c) => [POST(c), c.data(1, 'ab'), c.data(1, 'cd').subarray(0, 10)], () => {}],
      ['in a reply', (c) => [c.head(1, true)], (exchange) => exchange.head({})],
      [
        'in a reply that waits for a window',
        (c) => [settingsFrame([[4, 0]]), c.head(1, true)],
        (exchange) => exchange.reply('waits'),
      ],
      ['in an upload behind its reply', (c) => [POST(c)], (exchange) => exchange.reply('early')],
      ['with a mistake', (c) => [c.head(1, true), c.head(2, true)], () => {}],
    ];

  it.each(states)('%s', async (_, frames, answer) => {
    const rig = await start({ settings: { headMs: 1000, idleMs: 2000, bodyIdleMs: 1000 } });
    rig.serve = answer;
    const leave: ((client: Http2Client) => void)[] = [
      (client) => client.socket.resetAndDestroy(),
      (client) => client.socket.end(),
      (client) => client.destroy(),
    ];
    for (const go of leave) {
      const client = await connect(rig);
      client.send(...frames(client));
      await client.until('settings ack');
      go(client);
    }
    const nobodyIsLeft = () =>
      eventually('nobody is left', () => {
        rig.advance(2000);
        return rig.openConnections === 0 && rig.rig.dispatcher.table.inFlight === 0;
      });
    await nobodyIsLeft();
    // One that stays, and does nothing more.
    rig.serve = (exchange) => exchange.reply('next');
    const idle = await connect(rig);
    idle.send(...frames(idle));
    await nobodyIsLeft();
    const next = await connect(rig);
    expect(await next.get(1)).toBe('next');
  });
});
