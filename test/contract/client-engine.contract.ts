/**
 * What every engine does for clients: one suite, played over real sockets. What `uws` cannot do
 * stands in support/engines.ts, and each entry is seen to fail there.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { field } from '../../src/base/field-block.js';
import { WINDOW_BYTES } from '../../src/channel/lane.js';
import { FLAG_BODILESS, FLAG_END, FLAG_TUNNEL } from '../../src/channel/records/record-kind.js';
import type { AcceptorWish } from '../support/acceptor-rig.js';
import { EngineRig, type PlayedExchange, type RawClient } from '../support/engine-rig.js';
import {
  ENGINES,
  type EngineMaker,
  type EngineUnderTest,
  type UwsGap,
} from '../support/engines.js';
import { eventually, inVain } from '../support/eventually.js';
import { describeUnless } from '../support/not-run.js';

const GET = 'GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n';
const MIB = 1024 * 1024;
/** Malformed requests that every engine answers. */
const ANSWERED_BY_ALL: ReadonlySet<string> = new Set(['a long head']);

/** Between the two parts of a request. */
const CUT_MS = 4;

/** How long a test waits for what the engine cannot do. */
const GAP_WAIT_MS = 600;

function request(line: string, fields: readonly string[] = [], body = ''): string {
  return `${[line, 'Host: a.example', ...fields].join('\r\n')}\r\n\r\n${body}`;
}

for (const [name, engine] of ENGINES) {
  describeUnless(engine.missing, `the engine ${name}`, () => holdToContract(name, engine));
}

function holdToContract(name: EngineUnderTest, engine: EngineMaker): void {
  const { create, settings, material } = engine;
  let open: EngineRig | null = null;
  const isUws = name === 'uws';

  /** A gap of `uws` is seen to be one. */
  function gap(key: UwsGap, title: string, test: () => Promise<void>): void {
    if (!isUws) it(title, test);
    else it.fails(`cannot do: ${key}: ${title}`, () => inVain(test));
  }

  /** `uws` has timers of its own, by a clock that a test cannot move. */
  function unseen(title: string, test: () => Promise<void>): void {
    if (!isUws) it(title, test);
  }

  async function start(wish: AcceptorWish = {}): Promise<EngineRig> {
    open = await EngineRig.start(create(), {
      ...wish,
      settings: { ...settings, ...wish.settings },
      material: material(),
    });
    if (isUws) open.waitMs = GAP_WAIT_MS;
    return open;
  }

  async function aClient(wish: AcceptorWish = {}): Promise<[RawClient, EngineRig]> {
    const rig = await start(wish);
    return [await rig.connect(), rig];
  }

  /** A client whose request has come to the worker. */
  async function asked(
    text: string,
    wish: AcceptorWish = {},
  ): Promise<[RawClient, PlayedExchange, EngineRig]> {
    const [client, rig] = await aClient(wish);
    client.send(text);
    return [client, await rig.exchange(), rig];
  }

  afterEach(() => {
    const errors = open?.rig.errors ?? [];
    open?.stop();
    open = null;
    expect(errors).toEqual([]);
  });

  describe('requests', () => {
    it('come to a worker, and their replies to the client', async () => {
      const [client, exchange] = await asked(request('GET /a?b=c HTTP/1.1', ['X-One: 1']));
      const connection = settings.tls === undefined ? 'http' : 'https\tlocalhost\t';
      expect([exchange.line, exchange.peer, exchange.connection]).toEqual([
        'GET /a?b=c',
        '127.0.0.1',
        connection,
      ]);
      expect([exchange.values('host'), exchange.values('x-one')]).toEqual([['a.example'], ['1']]);
      exchange.reply('hello', 201, field('X-Two', '2'));
      const text = await client.until('hello');
      expect(text).toMatch(/^HTTP\/1\.1 201 Created\r\n/);
      expect(text).toMatch(/\r\nx-request-id: req-1\r\n/i);
      expect(text).toMatch(/\r\nX-Two: 2\r\n/);
      expect(text).toMatch(/\r\ncontent-length: 5\r\n/i);
      expect(text.match(/\r\ndate: /gi)).toHaveLength(1);
      expect(text).not.toMatch(/\r\n(connection|transfer-encoding): /i);
    });

    it('follow each other on one connection', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply(exchange.line);
      for (let at = 0; at < 5; at++) {
        client.send(request(`GET /${at} HTTP/1.1`));
        await client.until(`GET /${at}`);
      }
      expect(rig.openConnections).toBe(1);
    });

    it('bring bodies of known length, in pieces', async () => {
      const [client, exchange] = await asked(
        request('POST /u HTTP/1.1', ['Content-Length: 10'], 'hello'),
      );
      client.send('world');
      await eventually('the body is there', () => exchange.isComplete);
      expect(exchange.body).toBe('helloworld');
      exchange.reply();
      await client.until('ok');
    });

    it('bring chunked bodies', async () => {
      const [client, exchange] = await asked(
        request('POST /u HTTP/1.1', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
      );
      client.send('A\r\n0123456789\r\n0\r\n\r\n');
      await eventually('the body is there', () => exchange.isComplete);
      expect(exchange.body).toBe('hello0123456789');
      exchange.reply();
      await client.until('ok');
    });

    gap('splitRequestLine', 'are read wherever they are cut', async () => {
      const rig = await start();
      rig.serve = (exchange) => exchange.reply(exchange.line);
      for (let cut = 1; cut < GET.length; cut++) {
        const client = await rig.connect();
        client.send(GET.slice(0, cut));
        // Else both parts may come in one packet.
        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
        client.send(GET.slice(cut));
        expect(await client.until('GET /a')).toMatch(/ 200 /);
        client.destroy();
      }
    });

    gap('pipelining', 'that are sent ahead are answered in order', async () => {
      const [client, rig] = await aClient();
      client.send(GET + request('POST /b HTTP/1.1', ['Content-Length: 2'], 'xy') + GET);
      const first = await rig.exchange(0);
      expect(rig.exchanges).toHaveLength(1);
      first.reply('first');
      const second = await rig.exchange(1);
      await eventually('its body is there', () => second.isComplete);
      expect([second.line, second.body]).toEqual(['POST /b', 'xy']);
      second.reply('second');
      (await rig.exchange(2)).reply('third');
      const text = await client.until('third');
      expect(text).toMatch(/first[\s\S]*second[\s\S]*third$/);
      expect(client.statuses).toEqual([200, 200, 200]);
    });

    gap(
      'pipelining',
      'that are sent ahead are kept apart from those of other clients',
      async () => {
        const [client, rig] = await aClient();
        const other = await rig.connect();
        client.send(GET + request('POST /b HTTP/1.1', ['Content-Length: 4'], 'mine'));
        const first = await rig.exchange(0);
        client.send(request('GET /c HTTP/1.1'));
        other.send(request('POST /x HTTP/1.1', ['Content-Length: 4'], 'his.').repeat(2));
        (await rig.exchange(1)).reply('to another');
        (await rig.exchange(2)).reply('to another');
        first.reply('first');
        const second = await rig.exchange(3);
        await eventually('its body is there', () => second.isComplete);
        expect([second.line, second.body]).toEqual(['POST /b', 'mine']);
        second.reply('second');
        const third = await rig.exchange(4);
        expect(third.line).toBe('GET /c');
        third.reply('third');
        await client.until('third');
      },
    );

    gap('pipelining', 'that are sent ahead are kept within bounds', async () => {
      const [client, rig] = await aClient();
      const long = request('GET /long HTTP/1.1', [`X-Pad: ${'x'.repeat(4000)}`]);
      client.send(Buffer.alloc(16 * MIB, long));
      await rig.exchange();
      await eventually('the client cannot send any more', () => client.socket.writableLength > 0);
      rig.serve = (exchange) => exchange.reply('.');
      rig.exchanges[0]?.reply('.');
      await eventually('more comes than was kept', () => rig.exchanges.length > 100);
    });

    gap('pipelining', 'are not read for a client that takes no replies', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply('x'.repeat(50_000));
      client.pause();
      client.send(Buffer.from(GET.repeat(600), 'latin1'));
      let before = -1;
      await eventually('no request comes any more', async () => {
        const stood = rig.exchanges.length === before;
        before = rig.exchanges.length;
        if (!stood) await new Promise((resolve) => setTimeout(resolve, 300));
        return stood;
      });
      expect(rig.exchanges.length).toBeLessThan(600);
      client.resume();
      await eventually('all bodies are there', () => client.received.length > 600 * 50_000);
      // The heads are longer than one body: the last reply may still be on its way.
      await eventually('all are answered', () => client.statuses.length === 600);
    });

    gap('emptyLine', 'may have an empty line before them', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply(exchange.line);
      client.send(request('POST /x HTTP/1.1', ['Content-Length: 2'], '{}\r\n'));
      await client.until('POST /x');
      client.send(GET);
      await client.until('GET /a?b');
    });

    gap('absoluteForm', 'may name their host in the target', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply(`${exchange.line} ${exchange.values('host')}`);
      client.send('GET http://b.example:81/x?y HTTP/1.1\r\nHost: b.example:81\r\n\r\n');
      await client.until('GET /x?y b.example:81');
      client.send('OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n');
      await client.until('OPTIONS * a.example');
    });

    gap('underscores', 'may have fields with an underscore, which are dropped', async () => {
      const [, exchange] = await asked(request('GET / HTTP/1.1', ['api_key: 1', "x'y: 2"]));
      expect([exchange.values('api_key'), exchange.values("x'y")]).toEqual([[], ['2']]);
    });

    gap('obsText', 'keep the bytes of their values', async () => {
      const values = ['admin\xff', '\xc3\x89lise', 'a\xe9b'];
      const [, exchange] = await asked(
        request(
          'GET / HTTP/1.1',
          values.map((value, at) => `X-${at}:  ${value} \t`),
        ),
      );
      expect(values.map((_, at) => exchange.values(`x-${at}`)[0])).toEqual(values);
    });

    gap('chunkExtensions', 'may have chunk extensions', async () => {
      const [client, exchange] = await asked(
        request('POST / HTTP/1.1', ['Transfer-Encoding: chunked'], '5;a=b\r\nhello\r\n0;x\r\n\r\n'),
      );
      await eventually('the body is there', () => exchange.isComplete);
      expect(exchange.body).toBe('hello');
      exchange.reply();
      client.send(GET);
      await client.until('ok');
    });

    gap('requestTrailers', 'may have fields behind their bodies', async () => {
      const [, exchange] = await asked(
        request(
          'POST / HTTP/1.1',
          ['Transfer-Encoding: chunked', 'Trailer: x-sum'],
          '5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n',
        ),
      );
      await eventually('the body is there', () => exchange.isComplete);
      expect([exchange.body, exchange.trailers]).toEqual(['hello', '{"x-sum":"7"}']);
    });

    it('are held back while nobody wants their body', async () => {
      const [client, exchange] = await asked(
        request('POST / HTTP/1.1', [`Content-Length: ${64 * MIB}`]),
        { limits: { bodyBytes: 100 * MIB } },
      );
      client.send(Buffer.alloc(64 * MIB));
      await eventually('a window is there', () => exchange.body.length === WINDOW_BYTES);
      let waiting = 0;
      await eventually('the client cannot send any more', async () => {
        const stood = client.socket.bytesWritten - client.socket.writableLength === waiting;
        waiting = client.socket.bytesWritten - client.socket.writableLength;
        if (!stood) await new Promise((resolve) => setTimeout(resolve, 200));
        return stood;
      });
      expect(exchange.body.length).toBe(WINDOW_BYTES);
      exchange.onData = (bytes) => exchange.giveWindow(bytes);
      exchange.giveWindow(exchange.body.length);
      await eventually('all of it is there', () => exchange.isComplete);
      expect(exchange.body.length).toBe(64 * MIB);
      exchange.reply();
      await client.until('ok');
    });
  });

  describe('Expect', () => {
    const expecting = (bytes: number, value = '100-continue') =>
      request('PUT / HTTP/1.1', [`Content-Length: ${bytes}`, `Expect: ${value}`]);

    it('is answered when the body is wanted', async () => {
      const [client, exchange] = await asked(expecting(5));
      exchange.wantBody();
      await client.until('HTTP/1.1 100 Continue\r\n\r\n');
      exchange.wantBody();
      client.send('hello');
      await eventually('the body is there', () => exchange.isComplete);
      exchange.reply();
      await client.until('ok');
      expect(client.statuses).toEqual([100, 200]);
    });

    gap('expectCase', 'is read in any letters', async () => {
      const [client, exchange] = await asked(expecting(5, '100-Continue'));
      exchange.wantBody();
      await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    });

    gap('expectRefused', 'of a body that nobody wants gets the refusal and no 100', async () => {
      const [client, exchange] = await asked(expecting(5));
      exchange.reply('who are you?', 401);
      await client.until(/connection: close\r\n[\s\S]*who are you\?$/i);
      await client.ended();
      client.send(`hello${GET}`);
      client.end();
      await client.closed();
      expect([client.statuses, exchange.body, client.isReset]).toEqual([[401], '', false]);
    });

    gap('expectRefused', 'is not answered to who does not wait', async () => {
      const [client, exchange] = await asked(`${expecting(5)}hello`);
      await eventually('the body is there', () => exchange.isComplete);
      exchange.wantBody();
      exchange.reply();
      await client.until('ok');
      expect(client.statuses).toEqual([200]);
    });

    unseen('gives the body its time from 100 on', async () => {
      const [client, exchange, rig] = await asked(expecting(5), {
        settings: { bodyIdleMs: 5000, headMs: 60_000, idleMs: 60_000 },
      });
      rig.advance(30_000);
      exchange.wantBody();
      await client.until('HTTP/1.1 100 Continue\r\n\r\n');
      rig.advance(4000);
      expect(client.statuses).toEqual([100]);
      rig.advance(3000);
      await client.until('GW_REQUEST_TIMEOUT');
      expect(client.statuses).toEqual([100, 408]);
    });

    gap('expectRefused', 'of a body that is too long gets the refusal and no 100', async () => {
      const [client, rig] = await aClient({ limits: { bodyBytes: 100 } });
      client.send(expecting(101));
      await client.until('GW_BODY_TOO_LARGE');
      expect([client.statuses, rig.refusals]).toEqual([[413], ['GW_BODY_TOO_LARGE']]);
    });
  });

  describe('HTTP/1.0', () => {
    gap('http10', 'is served, and the connection closes behind the reply', async () => {
      const [client, exchange] = await asked('GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n');
      exchange.reply();
      await client.ended();
      expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/);
    });

    gap('http10', 'needs no Host', async () => {
      const [client, exchange, rig] = await asked('GET /x HTTP/1.0\r\n\r\n');
      expect(exchange.values('host')).toEqual([`127.0.0.1:${rig.port}`]);
      exchange.reply();
      await client.until('ok');
    });

    gap('http10', 'may keep its connection', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply(exchange.line);
      client.send('GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      expect(await client.until('GET /x')).toMatch(/\r\nConnection: keep-alive\r\n/);
      client.send('GET /y HTTP/1.0\r\n\r\n');
      await client.until('GET /y');
      await client.ended();
    });

    gap('http10', 'gets a body of unknown length up to the end of the connection', async () => {
      const [client, exchange] = await asked('GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      exchange.interim(103, 'Link', '</a>');
      exchange.head({});
      exchange.send('hello ');
      exchange.send('world');
      exchange.sendTrailers('X-Sum', '7');
      await client.ended();
      expect(client.received).toMatch(/\r\nConnection: close\r\n\r\nhello world$/);
      expect(client.statuses).toEqual([200]);
      expect(client.received).not.toMatch(/transfer-encoding/i);
    });

    gap('http10', 'sees that such a body was cut off', async () => {
      const [client, exchange] = await asked('GET /x HTTP/1.0\r\n\r\n');
      exchange.head({ body: 'hello' });
      await client.until('hello');
      exchange.cut();
      await client.closed();
      expect(client.isReset).toBe(true);
    });
  });

  describe('replies', () => {
    it('of unknown length go out in chunks', async () => {
      const [client, exchange] = await asked(GET);
      exchange.head({ body: 'hello' });
      exchange.send('world');
      exchange.end();
      await client.until('\r\n0\r\n\r\n');
      expect(client.received).toMatch(/\r\ntransfer-encoding: chunked\r\n/i);
      expect(client.received).toMatch(/5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n$/);
    });

    it.each([
      [204, FLAG_END | FLAG_BODILESS, -1, null],
      [304, FLAG_END | FLAG_BODILESS, 7, '7'],
      [200, FLAG_END | FLAG_BODILESS, 7, '7'],
      [200, FLAG_END, 0, '0'],
    ])('%d with flags %d and length %d have no body', async (status, flags, bodyBytes, length) => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => {
        if (exchange.line === 'GET /b') exchange.reply('next');
        else exchange.head({ status, flags, bodyBytes });
      };
      client.send(request('HEAD /a HTTP/1.1'));
      await client.until('\r\n\r\n');
      const told = /content-length: (\d+)/i.exec(client.received)?.[1] ?? null;
      expect(told).toBe(length);
      client.send(request('GET /b HTTP/1.1'));
      expect(await client.until('next')).toMatch(/\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    });

    gap('headAtOnce', 'show their heads before their first bytes', async () => {
      const [client, exchange] = await asked(GET);
      exchange.head({ fields: field('Content-Type', 'text/event-stream') });
      await client.until(/event-stream\r\n[\s\S]*\r\n\r\n/);
      exchange.send('data: 1\n\n');
      await client.until('data: 1');
    });

    gap('replyTrailers', 'may have fields behind their bodies', async () => {
      const [client, exchange] = await asked(GET);
      exchange.head({ body: 'hello' });
      exchange.sendTrailers('X-Sum', '7');
      await client.until('0\r\nX-Sum: 7\r\n\r\n');
    });

    gap('interimHeads', 'may have others before them', async () => {
      const [client, exchange] = await asked(GET);
      exchange.interim(103, 'Link', '</a.css>; rel=preload');
      await client.until('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
      exchange.reply();
      await client.until('ok');
      expect(client.statuses).toEqual([103, 200]);
    });

    it.each([
      ['known', 8 * MIB],
      ['unknown', -1],
    ])(
      'that are long, of %s length, wait for their client',
      async (_kind, bodyBytes) => {
        const [client, exchange, rig] = await asked(GET);
        client.pause();
        exchange.head({ bodyBytes });
        const piece = Buffer.alloc(MIB / 16, 'x');
        let left = 128;
        let window = WINDOW_BYTES;
        const send = (): void => {
          while (left > 0 && window >= piece.length) {
            left -= 1;
            window -= piece.length;
            exchange.send(piece, left === 0);
          }
        };
        exchange.onWindow = (bytes) => {
          window += bytes;
          expect(window).toBeLessThanOrEqual(WINDOW_BYTES);
          send();
        };
        send();
        let before = -1;
        await eventually('nothing goes any more', async () => {
          const stood = left === before && left > 0;
          before = left;
          if (!stood) await new Promise((resolve) => setTimeout(resolve, 200));
          return stood;
        });
        client.resume();
        await eventually('all of it is there', () => client.received.length > 8 * MIB);
        await eventually('the exchange is over', () => rig.rig.inFlight === 0);
        const body = client.received.slice(client.received.indexOf('\r\n\r\n') + 4);
        expect(body.replace(/\r\n|[0-9a-f]+(?=\r\n)/g, '')).toHaveLength(8 * MIB);
        client.send(GET);
        (await rig.exchange(1)).reply('next');
        await client.until('next');
      },
      60_000,
    );

    it('that break off are seen to be incomplete', async () => {
      for (const bodyBytes of [10, -1]) {
        const [client, exchange, rig] = await asked(GET);
        exchange.head({ bodyBytes, body: 'hello' });
        await client.until('hello');
        exchange.cut();
        await client.ended();
        expect(client.received).not.toContain('\r\n0\r\n');
        rig.stop();
      }
    });

    it('before the end of an upload reach their client', async () => {
      const [client, exchange] = await asked(
        request('POST / HTTP/1.1', [`Content-Length: ${MIB}`]),
        { limits: { lingerBytes: 2 * MIB } },
      );
      exchange.reply('who are you', 401);
      client.send(Buffer.alloc(MIB));
      await client.until('who are you');
      expect(client.received).toMatch(/\r\nconnection: close\r\n/i);
      await client.ended();
      expect(client.isReset).toBe(false);
    });
  });

  describe('clients', () => {
    it('that leave are noticed', async () => {
      const [client, exchange, rig] = await asked(GET);
      client.destroy();
      await eventually('the worker is told', () => {
        rig.advance(100);
        return exchange.aborted === 'left';
      });
      await eventually('the connection is gone', () => rig.openConnections === 0);
    });

    it('that leave in the middle of an upload are noticed', async () => {
      const [client, exchange] = await asked(
        request('POST / HTTP/1.1', ['Content-Length: 10'], 'hello'),
      );
      await eventually('some of it is there', () => exchange.body === 'hello');
      client.end();
      await eventually('the worker is told', () => exchange.aborted === 'left');
      await client.ended();
    });

    gap('halfClosed', 'that have closed their side get their replies', async () => {
      const [client, rig] = await aClient();
      client.send(GET + request('GET /b HTTP/1.1'));
      client.end();
      (await rig.exchange(0)).reply('first');
      (await rig.exchange(1)).reply('second');
      await client.ended();
      expect(client.received).toMatch(/first[\s\S]*second$/);
      await eventually('the connection is gone', () => rig.openConnections === 0);
    });

    gap('halfClosed', 'that have closed their side may wait for a slow target', async () => {
      const [client, exchange, rig] = await asked(GET);
      client.end();
      await eventually('it is asked whether it is there', () => {
        rig.advance(500);
        return client.statuses.length === 1;
      });
      for (let look = 0; look < 60; look++) {
        rig.advance(500);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      exchange.reply('late');
      await client.ended();
      expect([client.statuses, exchange.aborted]).toEqual([[100, 200], '']);
      expect(client.received).toMatch(/late$/);
    });

    gap('halfClosed', 'that speak HTTP/1.0 are not asked whether they are there', async () => {
      const [client, exchange, rig] = await asked('GET /x HTTP/1.0\r\n\r\n');
      client.end();
      for (let look = 0; look < 40; look++) {
        rig.advance(500);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      exchange.reply('late');
      await client.ended();
      expect([client.statuses, exchange.aborted]).toEqual([[200], '']);
    });

    gap('halfClosed', 'that have closed their side are waited for up to a time', async () => {
      const [client, exchange, rig] = await asked(GET, { settings: { halfCloseMs: 10_000 } });
      client.end();
      await eventually('it is asked whether it is there', () => {
        rig.advance(500);
        return client.statuses.length === 1;
      });
      rig.advance(5000);
      expect(exchange.aborted).toBe('');
      rig.advance(5000);
      await eventually('the worker is told', () => exchange.aborted === 'left');
    });

    // uWebSockets.js always does.
    it('that have closed their side can count as gone at once', async () => {
      const [client, exchange, rig] = await asked(GET, { settings: { halfCloseMs: 0 } });
      client.end();
      await eventually('the worker is told', () => {
        rig.advance(500);
        return exchange.aborted === 'left';
      });
      expect(client.received).toBe('');
    });

    unseen('that take nothing of their reply are given up, whatever they send', async () => {
      const [client, exchange, rig] = await asked(GET);
      client.pause();
      exchange.head({ bodyBytes: 64 * MIB });
      exchange.onWindow = (bytes) => exchange.send(Buffer.alloc(bytes));
      exchange.send(Buffer.alloc(WINDOW_BYTES));
      await eventually('it is given up', () => {
        client.send('x');
        rig.advance(500);
        return exchange.aborted === 'left';
      });
    });

    unseen('that take some of their reply now and then are not given up', async () => {
      const [client, exchange, rig] = await asked(GET);
      let sent = WINDOW_BYTES;
      client.pause();
      exchange.head({ bodyBytes: 64 * MIB });
      exchange.onWindow = (bytes) => {
        sent += bytes;
        exchange.send(Buffer.alloc(bytes));
      };
      exchange.send(Buffer.alloc(WINDOW_BYTES));
      for (let round = 0; round < 5; round++) {
        let before = -1;
        await eventually('nothing is taken any more', async () => {
          const stood = sent === before;
          before = sent;
          if (!stood) await new Promise((resolve) => setTimeout(resolve, 100));
          return stood;
        });
        rig.advance(40_000);
        client.resume();
        await eventually('more is taken', () => sent > before);
        client.pause();
      }
      expect(exchange.aborted).toBe('');
    });

    gap('exactCounts', 'are counted by their addresses', async () => {
      const connections = { connectionsMax: 10, perAddressMax: 2, isExempt: () => false };
      const rig = await start({ connections });
      const [first, second] = [await rig.connect(), await rig.connect()];
      await eventually('both are counted', () => rig.openConnections === 2);
      // With TLS its handshake fails.
      await rig.connect().then(
        (third) => third.ended(),
        () => {},
      );
      first.destroy();
      await eventually('one is gone', () => rig.openConnections === 1);
      const fourth = await rig.connect();
      fourth.send(GET);
      (await rig.exchange()).reply();
      await fourth.until('ok');
      second.destroy();
      expect(rig.rig.fullAddresses).toEqual(['127.0.0.1']);
    });
  });

  describe('time', () => {
    gap('timers', 'is up for a head that does not come to its end', async () => {
      const [client, rig] = await aClient({ settings: { headMs: 4000 } });
      client.send('GET /slow HTTP/1.1\r\nHost: a');
      await eventually('the answer is there', () => {
        rig.advance(500);
        return client.received.includes('GW_REQUEST_TIMEOUT');
      });
      await client.ended();
      expect(client.statuses).toEqual([408]);
      expect(rig.rig.localReplies).toMatchObject([
        { method: 'GET', target: '/slow', peer: '127.0.0.1' },
      ]);
    });

    unseen('is up for a connection on which nothing comes, without a word', async () => {
      const [client, rig] = await aClient({ settings: { headMs: 4000 } });
      await eventually('it is counted', () => rig.openConnections === 1);
      await eventually('it is closed', () => {
        rig.advance(500);
        return client.isEnded;
      });
      expect([client.received, rig.refusals]).toEqual(['', []]);
      await eventually('it is gone', () => {
        rig.advance(500);
        return rig.openConnections === 0;
      });
    });

    unseen('is up for a connection between two requests, and not before', async () => {
      const [client, rig] = await aClient({ settings: { idleMs: 60_000 } });
      rig.serve = (exchange) => exchange.reply(exchange.line);
      client.send(GET);
      await client.until('GET /a');
      rig.advance(59_000);
      client.send(request('GET /b HTTP/1.1'));
      await client.until('GET /b');
      await eventually('it is closed', () => {
        rig.advance(1000);
        return client.isEnded;
      });
    });

    it('is up for a body that does not go on', async () => {
      const [client, exchange, rig] = await asked(
        request('POST / HTTP/1.1', ['Content-Length: 10'], 'hello'),
        { settings: { bodyIdleMs: 20_000 } },
      );
      await eventually('some of it is there', () => exchange.body === 'hello');
      rig.advance(19_000);
      client.send('wor');
      await eventually('more is there', () => exchange.body === 'hellowor');
      rig.advance(19_000);
      expect([client.received, exchange.aborted]).toEqual(['', '']);
      await eventually('the answer is there', () => {
        rig.advance(500);
        return client.received.includes('GW_REQUEST_TIMEOUT');
      });
      await eventually('the worker is told', () => exchange.aborted === 'answered');
      expect(client.statuses).toEqual([408]);
    });

    it('does not run while the target works', async () => {
      const [client, exchange, rig] = await asked(GET);
      rig.advance(600_000);
      exchange.reply();
      await client.until('ok');
    });
  });

  describe('what is malformed', () => {
    const chunked = (body: string) =>
      request('POST / HTTP/1.1', ['Transfer-Encoding: chunked'], body);

    const cases: readonly (readonly [string, string, RegExp])[] = [
      ['a space before the colon', request('GET / HTTP/1.1', ['X-A : 1']), /^GW_FIELD_INVALID$/],
      ['a folded value', request('GET / HTTP/1.1', ['X-A: 1', ' 2']), /^GW_FIELD_INVALID$/],
      ['a control character', request('GET / HTTP/1.1', ['X-A: a\x01b']), /^GW_FIELD_INVALID$/],
      ['a field without a name', request('POST / HTTP/1.1', [': 5']), /^GW_FIELD_INVALID$/],
      ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n', /^GW_/],
      ['no version', 'GET /\r\n\r\n', /^GW_/],
      ['another version', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', /^GW_/],
      [
        'two lengths',
        request('POST / HTTP/1.1', ['Content-Length: 1', 'Content-Length: 2']),
        /^GW_FRAMING_AMBIGUOUS$/,
      ],
      [
        'a length beside a coding',
        request('POST / HTTP/1.1', ['Content-Length: 1', 'Transfer-Encoding: chunked']),
        /^GW_FRAMING_AMBIGUOUS$/,
      ],
      ['no Host', 'GET / HTTP/1.1\r\n\r\n', /^GW_HOST_INVALID$/],
      [
        'too many fields',
        request('GET / HTTP/1.1', Array(110).fill('A: 1')),
        /^GW_HEAD_TOO_LARGE$/,
      ],
      [
        'a long head',
        request('GET / HTTP/1.1', [`A: ${'x'.repeat(20_000)}`]),
        /^GW_HEAD_TOO_LARGE$/,
      ],
      ['another language', '\x16\x03\x01\x02\x00\x01\x00', /^GW_/],
    ];

    for (const [what, bytes, code] of cases) {
      const test = async (): Promise<void> => {
        const [client, rig] = await aClient();
        client.send(bytes);
        await client.until(/\r\n\r\n\{/);
        await client.ended();
        expect(rig.refusals).toEqual([expect.stringMatching(code)]);
        expect(client.statuses).toHaveLength(1);
        expect([rig.exchanges, rig.rig.inFlight]).toEqual([[], 0]);
      };
      const isKnown = ANSWERED_BY_ALL.has(what);
      if (isKnown) it(`gets an answer: ${what}`, test);
      else gap('refusals', `gets an answer: ${what}`, test);
    }

    gap('refusals', 'in a body gets an answer, and the worker is told', async () => {
      const [client, exchange, rig] = await asked(chunked('5\r\nhello\r\nX\r\n'));
      await client.until('GW_CHUNK_INVALID');
      await client.ended();
      await eventually('the worker is told', () => exchange.aborted === 'answered');
      expect([client.statuses, rig.refusals]).toEqual([[400], ['GW_CHUNK_INVALID']]);
    });

    gap('refusals', 'hides no request behind it', async () => {
      const [client, rig] = await aClient();
      client.send(`${request('GET / HTTP/1.1', ['X-A : 1'])}${GET}${GET}`);
      await client.ended();
      expect([client.statuses, rig.exchanges]).toEqual([[400], []]);
    });

    gap('refusals', 'behind a request does not touch the reply to it', async () => {
      const [client, exchange] = await asked(`${GET}nonsense\r\n\r\n`);
      exchange.reply('first');
      await client.ended();
      expect(client.received).toMatch(/first[\s\S]*GW_/);
      expect(client.statuses).toEqual([200, 400]);
    });
  });

  describe('connections', () => {
    gap('requestsPerConnection', 'close behind the last request that they may have', async () => {
      const [client, rig] = await aClient({ settings: { keepAliveRequests: 2 } });
      rig.serve = (exchange) => exchange.reply(exchange.line);
      client.send(GET);
      await client.until('GET /a');
      expect(client.received).not.toMatch(/connection: close/i);
      client.send(request('GET /b HTTP/1.1'));
      await client.until(/connection: close[\s\S]*GET \/b/i);
      await client.ended();
    });

    it('close when their client says so', async () => {
      const [client, exchange] = await asked(request('GET / HTTP/1.1', ['Connection: close']));
      exchange.reply();
      await client.until('ok');
      await client.ended();
    });

    gap('closeTold', 'say so when they close because their client wants it', async () => {
      const [client, exchange] = await asked(request('GET / HTTP/1.1', ['Connection: close']));
      exchange.reply();
      await client.until(/connection: close[\s\S]*ok/i);
    });

    gap('drain', 'that are idle close when their listener stops', async () => {
      const [client, rig] = await aClient();
      rig.serve = (exchange) => exchange.reply(exchange.line);
      client.send(GET);
      await client.until('GET /a');
      const busy = await rig.connect();
      rig.serve = null;
      busy.send(request('GET /busy HTTP/1.1'));
      const exchange = await rig.exchange(1);
      rig.rig.acceptor.stopListening();
      await client.ended();
      exchange.reply('late');
      await busy.until(/connection: close[\s\S]*late/i);
      await busy.ended();
    });

    gap('tunnels', 'become tunnels, and each side ends by itself', async () => {
      const [client, exchange, rig] = await asked(
        `${request('GET /t HTTP/1.1', ['Connection: Upgrade', 'Upgrade: x'])}early`,
      );
      exchange.head({ status: 101, flags: FLAG_TUNNEL, fields: field('Upgrade', 'x') });
      await client.until(/^HTTP\/1\.1 101 Switching Protocols\r\n[\s\S]*Connection: Upgrade\r\n/);
      client.send('up');
      await eventually('the bytes are up', () => exchange.tunnel === 'earlyup');
      exchange.sendDown('down');
      await client.until(/\r\n\r\ndown$/);
      exchange.endDown();
      await client.ended();
      client.send('more');
      await eventually('more is up', () => exchange.tunnel === 'earlyupmore');
      client.end();
      await eventually('the way up has ended', () => exchange.isTunnelEnded);
      await eventually('it is over', () => rig.openConnections === 0 && rig.rig.inFlight === 0);
      expect([exchange.aborted, client.isReset]).toEqual(['', false]);
    });

    it('are cut when the acceptor closes', async () => {
      const [client, exchange, rig] = await asked(GET);
      rig.rig.acceptor.close();
      await client.ended();
      await eventually('the worker is told', () => exchange.aborted !== '');
    });
  });
}
