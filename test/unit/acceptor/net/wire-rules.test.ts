/** What the owner of a listener lets requests be, and what is told of those that are not so. */
import { afterEach, describe, expect, it } from 'vitest';
import { wireEngine } from '../../../../src/acceptor/net/wire-engine.js';
import type { AcceptorWish } from '../../../support/acceptor-rig.js';
import { EngineRig, type RawClient } from '../../../support/engine-rig.js';
import { eventually } from '../../../support/eventually.js';
import { A_LISTENER } from '../../../support/listener-settings.js';

const MIB = 1024 * 1024;
const HOST = 'Host: a.example\r\n';
const CHUNKED = `POST /u HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;

let open: EngineRig | null = null;

async function start(wish: AcceptorWish = {}): Promise<[EngineRig, RawClient]> {
  open = await EngineRig.start(wireEngine(), wish);
  return [open, await open.connect()];
}

function get(fields: string, target = '/a'): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;
}

/** Kinds and causes of what the acceptor has answered itself. */
function refusals({ rig }: EngineRig): string[] {
  return rig.localReplies.map(({ kind, cause }) => `${kind.code}: ${cause}`);
}

afterEach(() => {
  const errors = open?.rig.errors ?? [];
  open?.stop();
  open = null;
  expect(errors).toEqual([]);
});

describe('fields with an underscore in their names', () => {
  const text = get('X_User: root\r\nX-User: ann\r\nX_Role: admin\r\n');

  it('are dropped, and it is told', async () => {
    const [rig, client] = await start();
    client.send(text);
    const exchange = await rig.exchange();
    expect([exchange.values('x_user'), exchange.values('x-user')]).toEqual([[], ['ann']]);
    expect(rig.rig.strangers.told).toEqual(['dropped: 2 x_role']);
    exchange.reply();
    await client.until('ok');
    client.send(get(''));
    await rig.exchange(1);
    expect(rig.rig.strangers.told).toHaveLength(1);
  });

  it('go on where the listener says so', async () => {
    const [rig, client] = await start({ settings: { underscores: 'forward' } });
    client.send(text);
    const exchange = await rig.exchange();
    expect([exchange.values('x_user'), exchange.values('x-user')]).toEqual([['root'], ['ann']]);
    expect(rig.rig.strangers.told).toEqual([]);
  });

  it('are refused where the listener says so, from the next request on', async () => {
    const [rig, client] = await start();
    rig.serve = (exchange) => exchange.reply();
    client.send(text);
    await client.until('ok');
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0, reusePort: false } as const;
    const settings = { ...A_LISTENER, address, underscores: 'refuse' } as const;
    await rig.rig.acceptor.prepare([settings]);
    rig.rig.acceptor.commit();
    client.send(text);
    await client.ended();
    expect(client.statuses).toEqual([200, 400]);
    expect(refusals(rig)).toEqual(['GW_FIELD_INVALID: an underscore in the name of a field']);
  });
});

describe('raw characters of a target', () => {
  it('are encoded', async () => {
    const [rig, client] = await start();
    client.send(get('', '/a|b?c={"d"}\xe9'));
    expect((await rig.exchange()).line).toBe('GET /a%7Cb?c=%7B%22d%22%7D%E9');
  });

  it('are refused where the listener says so', async () => {
    const [rig, client] = await start({ settings: { rawCharacters: 'refuse' } });
    client.send(get('', '/a|b'));
    await client.ended();
    expect(refusals(rig)).toEqual(['GW_TARGET_INVALID: a character that no target has']);
  });
});

describe('methods', () => {
  it('are for routes to judge', async () => {
    const [rig, client] = await start();
    rig.serve = (exchange) => exchange.reply(exchange.line);
    for (const method of ['PROPFIND', 'PURGE', 'TRACE', 'x-y']) {
      client.send(`${method} /a HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(`${method} /a`);
    }
  });

  it('have CONNECT not among them', async () => {
    const [rig, client] = await start();
    client.send(`CONNECT a.example:443 HTTP/1.1\r\n${HOST}\r\n`);
    await client.ended();
    expect([client.statuses, refusals(rig)]).toEqual([[501], ['GW_METHOD_UNKNOWN: CONNECT']]);
  });
});

describe('the fields of a head', () => {
  it.each([10, 90, 1000])('are %i at most', async (headerFields) => {
    const [rig, client] = await start({ limits: { headerFields, headerBytes: 65_536 } });
    rig.serve = (exchange) => exchange.reply();
    client.send(get('X: y\r\n'.repeat(headerFields - 1)));
    await client.until('ok');
    client.send(get('X: y\r\n'.repeat(headerFields)));
    await client.ended();
    expect(client.statuses).toEqual([200, 431]);
    expect(refusals(rig)).toEqual(['GW_HEAD_TOO_LARGE: too many fields']);
  });
});

describe('a body in chunks of a byte', () => {
  it('costs records by its bytes on the way, and not by its chunks', async () => {
    const [rig, client] = await start({ limits: { bodyBytes: MIB } });
    client.send(CHUNKED);
    const exchange = await rig.exchange();
    let records = 0;
    exchange.onData = (bytes) => {
      records++;
      exchange.giveWindow(bytes);
    };
    const byte = (at: number): string => String.fromCharCode(97 + (at % 26));
    for (let at = 0; at < MIB; at += 4096) {
      client.send(
        Array.from({ length: 4096 }, (_, next) => `1\r\n${byte(at + next)}\r\n`).join(''),
      );
    }
    client.send('0\r\n\r\n');
    await eventually('the body is there', () => exchange.isComplete, 20_000);
    expect(exchange.body).toHaveLength(MIB);
    expect(exchange.body).toBe(Array.from({ length: MIB }, (_, at) => byte(at)).join(''));
    // 6 MiB came in reads of up to 64 KiB; a slow reader makes them smaller.
    expect(records).toBeLessThan(MIB / 256);
  });

  it('keeps its order beside large chunks, wherever reads end', async () => {
    const [rig, client] = await start({ limits: { bodyBytes: MIB } });
    client.send(CHUNKED);
    const exchange = await rig.exchange();
    exchange.onData = (bytes) => exchange.giveWindow(bytes);
    let sent = '';
    for (let at = 0; at < 300; at++) {
      const piece = String.fromCharCode(97 + (at % 26)).repeat(
        [1, 3000, 2, 1024, 1025][at % 5] ?? 1,
      );
      sent += piece;
      client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    }
    client.send('0\r\nX-Sum: 1\r\n\r\n');
    await eventually('the body is there', () => exchange.isComplete, 10_000);
    expect(exchange.body === sent).toBe(true);
    expect(exchange.trailers).toContain('1');
  });

  it('is refused at its first mistake, and what came before it is not lost', async () => {
    const [rig, client] = await start();
    client.send(`${CHUNKED}1\r\na\r\n1\r\nb\r\nx\r\n`);
    const exchange = await rig.exchange();
    await client.ended();
    await eventually('the worker knows', () => exchange.aborted !== '');
    expect([client.statuses, exchange.body]).toEqual([[400], 'ab']);
    expect(refusals(rig)).toEqual([expect.stringMatching(/^GW_CHUNK_INVALID: ./)]);
  });
});

describe('an expectation', () => {
  const post = (fields: string): string => `POST /u HTTP/1.1\r\n${HOST}${fields}\r\n`;

  it('of a body that is too long ends in 413 without 100', async () => {
    const [rig, client] = await start({ limits: { bodyBytes: 5 } });
    client.send(post('Expect: 100-continue\r\nContent-Length: 6\r\n'));
    await client.ended();
    expect(client.statuses).toEqual([413]);
    expect(refusals(rig)).toEqual(['GW_BODY_TOO_LARGE: a Content-Length above the limit']);
  });

  it('of something else ends in 417', async () => {
    const [rig, client] = await start();
    client.send(post('Expect: 200-ok\r\nContent-Length: 1\r\n'));
    await client.ended();
    expect(client.statuses).toEqual([417]);
    expect(rig.exchanges).toEqual([]);
  });

  it('is not told to go on when the gateway has no room', async () => {
    const [rig, client] = await start({ limits: { inFlight: 1 } });
    client.send(get(''));
    await rig.exchange();
    const other = await rig.connect();
    other.send(post('Expect: 100-continue\r\nContent-Length: 1\r\n'));
    await other.ended();
    expect(other.statuses).toEqual([503]);
  });
});

describe('what is no HTTP/1.1', () => {
  it.each([
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['nothing known', '\x00\xff\xfe', 400],
  ])('is answered and told: %s', async (_what, bytes, status) => {
    const [rig, client] = await start();
    client.send(bytes);
    await client.ended();
    expect(client.statuses).toEqual([status]);
    expect(refusals(rig)).toEqual([expect.stringMatching(/^GW_\w+: ./)]);
  });
});

describe('a request that comes too slowly', () => {
  async function isOver(rig: EngineRig, client: RawClient): Promise<void> {
    await eventually('it is over', () => {
      rig.advance(500);
      return client.isEnded;
    });
  }

  it('is told, with what of its head had come', async () => {
    const [rig, client] = await start({ settings: { headMs: 1000, idleMs: 60_000 } });
    client.send('GET /slow HTTP/1.1\r\nHo');
    await isOver(rig, client);
    expect(client.statuses).toEqual([408]);
    expect(rig.rig.localReplies).toMatchObject([
      { method: 'GET', target: '/slow', cause: 'a head that came too slowly' },
    ]);
  });

  it('is told, by its body', async () => {
    const [rig, client] = await start({ settings: { bodyIdleMs: 1000 } });
    client.send(`POST /slow HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nab`);
    await rig.exchange();
    await isOver(rig, client);
    expect(client.statuses).toEqual([408]);
    expect(refusals(rig)).toEqual([
      'GW_REQUEST_TIMEOUT: a body of which nothing came for too long',
    ]);
  });
});

it('connections that wait are let go where files run out, though all newer ones are busy', async () => {
  const [rig, waiting] = await start({ hasFreeFile: () => false });
  const asking = async (at: number): Promise<RawClient> => {
    const client = await rig.connect();
    client.send(get(''));
    await rig.exchange(at);
    return client;
  };
  waiting.send(get(''));
  (await rig.exchange()).reply();
  await waiting.until('ok');
  const busy: RawClient[] = [];
  for (let at = 1; at <= 20; at += 1) busy.push(await asking(at));
  rig.rig.acceptor.lookForFiles();
  await waiting.ended();
  for (let at = 1; at <= 20; at += 1) (await rig.exchange(at)).reply();
  for (const client of busy) await client.until('ok');
});
