/**
 * What every way to a target does with a server of Node.js, whatever protocol is spoken: the same
 * cases over HTTP/1.1 and HTTP/2, in clear text and over TLS.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../src/base/problems.js';
import { CANCEL } from '../../src/wire/http2/frame-kinds.js';
import { eventually } from '../support/eventually.js';
import { type Answer, TransportOrigin } from '../support/transport-origin.js';
import {
  isHttp2,
  type Probe,
  type TransportChoice,
  TransportRig,
} from '../support/transport-rig.js';

const TRANSPORTS: readonly TransportChoice[] = ['lean', 'lean over TLS', 'h2c', 'h2', 'auto'];

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

let origin: TransportOrigin;
let rigs: TransportRig[] = [];
let answer: Answer;
let seen: Seen[];
let count: number;

const sayOk: Answer = (_request, reply) => void reply.end('ok');

async function start(transport: TransportChoice): Promise<void> {
  seen = [];
  count = 0;
  answer = sayOk;
  origin = await TransportOrigin.start(transport, (request, reply) => {
    count++;
    const now = answer;
    readBody(request, () => now(request, reply));
  });
}

function readBody(request: IncomingMessage, onEnd: () => void): void {
  const pieces: Buffer[] = [];
  request.on('data', (bytes: Buffer) => pieces.push(bytes));
  request.on('end', () => {
    const { method = '', url = '', rawHeaders } = request;
    const fields = new Map<string, string>();
    for (let at = 0; at < rawHeaders.length; at += 2) {
      fields.set((rawHeaders[at] ?? '').toLowerCase(), rawHeaders[at + 1] ?? '');
    }
    seen.push({ method, url, fields, body: Buffer.concat(pieces).toString('latin1') });
    onEnd();
  });
}

afterEach(async () => {
  for (const rig of rigs) await rig.close();
  rigs = [];
  await origin.close();
});

describe.each(TRANSPORTS)('%s', (transport) => {
  beforeEach(() => start(transport));

  function rigFor(options: ConstructorParameters<typeof TransportRig>[2] = {}): TransportRig {
    const rig = new TransportRig(transport, origin.port, options);
    rigs.push(rig);
    return rig;
  }

  it.each([200, 201, 404, 503])('reads a reply with status %i', async (status) => {
    answer = (_request, reply) => {
      reply.writeHead(status, { 'x-a': 'b' });
      reply.end('text');
    };
    const probe = await rigFor().exchange();
    expect([probe.status, probe.body, probe.problem, probe.lateCalls]).toEqual([
      ...[status, 'text', null, 0],
    ]);
    expect(probe.replyFields.toLowerCase()).toContain('\r\nx-a: b');
  });

  it.each([
    [204, 'GET'],
    [304, 'GET'],
    [200, 'HEAD'],
  ])('reads a reply without a body: %i to %s', async (status, method) => {
    answer = (_request, reply) => {
      reply.writeHead(status, method === 'HEAD' ? { 'content-length': '10' } : {});
      reply.end();
    };
    const rig = rigFor();
    for (let round = 0; round < 3; round++) {
      const probe = await rig.exchange({ method });
      expect([probe.status, probe.body, probe.problem]).toEqual([status, '', null]);
    }
    expect(origin.sockets.length).toBe(1);
  });

  it('hands on interim heads and trailers', async () => {
    answer = (_request, reply) => {
      reply.writeEarlyHints({ link: '</a>; rel=preload' });
      reply.writeHead(200, isHttp2(transport) ? {} : { trailer: 'X-Sum' });
      reply.write('ok');
      reply.addTrailers({ 'X-Sum': '5', 'Set-Cookie': 'a=b' });
      reply.end();
    };
    const probe = await rigFor().exchange();
    expect([probe.status, probe.body]).toEqual([200, 'ok']);
    expect(probe.interims.map((text) => text.toLowerCase())).toEqual([
      '103\r\nlink: </a>; rel=preload',
    ]);
    expect(probe.trailers.toLowerCase()).toBe('\r\nx-sum: 5');
  });

  it.each([64 * 1024, 2_000_000])('reads a body of %i bytes by its length', async (bytes) => {
    const body = randomBytes(bytes);
    answer = (_request, reply) => {
      reply.writeHead(200, { 'content-length': String(bytes) });
      reply.end(body);
    };
    expect(hashOf(await rigFor().exchange())).toBe(sha256(body));
  });

  it('reads a body that stops at every piece', async () => {
    const body = randomBytes(1_000_000);
    answer = (_request, reply) => void reply.end(body);
    const probe = rigFor().send();
    probe.wantsMore = false;
    let isWaiting = false;
    probe.onPiece = () => {
      expect(isWaiting).toBe(false);
      isWaiting = true;
      setImmediate(() => {
        isWaiting = false;
        probe.attempt.resume();
      });
    };
    await probe.over;
    expect(hashOf(probe)).toBe(sha256(body));
  });

  it('holds the target back while its reader does not want more', async () => {
    const body = randomBytes(1 << 20);
    const total = 24;
    let reply: ServerResponse | undefined;
    answer = (_request, now) => {
      reply = now;
      for (let at = 0; at < total; at++) now.write(body);
      now.end();
    };
    const probe = rigFor().send();
    probe.wantsMore = false;
    await eventually('the first piece is there', () => probe.pieces.length > 0);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    expect(probe.pieces.length).toBe(1);
    expect(reply?.writableFinished).toBe(false);
    probe.wantsMore = true;
    probe.attempt.resume();
    await probe.over;
    const got = probe.pieces.reduce((sum, piece) => sum + piece.length, 0);
    expect(got).toBe(total * body.length);
  });

  it('sends what it is given', async () => {
    const rig = rigFor();
    const large = randomBytes(64 * 1024).toString('latin1');
    const bodies = ['', 'x', 'y'.repeat(4096), 'z'.repeat(4097), large];
    for (const text of bodies) {
      const body = text === '' ? {} : { body: Buffer.from(text, 'latin1') };
      await rig.exchange({ method: 'POST', fields: ['x-a', 'b\xe9', 'accept', '*/*'], ...body });
    }
    await rig.exchange({ method: 'DELETE' });
    await rig.exchange({ method: 'HEAD', path: '/h' });
    expect(seen.map(({ body }) => body)).toEqual([...bodies, '', '']);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/a?b=c' });
    const [first, , , , last, bare] = seen.map(({ fields }) => fields);
    expect(first?.get('x-a')).toBe('b\xe9');
    expect(first?.get('content-length')).toBe('0');
    expect(last?.get('content-length')).toBe('65536');
    expect(bare?.has('content-length')).toBe(false);
    const host = isHttp2(transport) ? ':authority' : 'host';
    expect(first?.get(host)).toBe(`127.0.0.1:${origin.port}`);
    for (const name of ['x-request-id', 'x-forwarded-for', 'forwarded', 'via']) {
      expect(first?.has(name)).toBe(true);
    }
    expect(first?.has('connection')).toBe(!isHttp2(transport));
  });

  it('makes 300 exchanges on one connection', async () => {
    const rig = rigFor();
    answer = (request, reply) => void reply.end(request.url);
    for (let at = 0; at < 300; at++) {
      const probe = await rig.exchange({ path: `/${at}` });
      if (probe.body !== `/${at}`) expect(probe.body).toBe(`/${at}`);
    }
    expect([origin.sockets.length, rig.connectCount]).toEqual([1, 1]);
  });

  it('gives each of many exchanges at once its own reply', async () => {
    const rig = rigFor();
    answer = (request, reply) => void reply.end(request.url);
    for (let round = 0; round < 4; round++) {
      const paths = Array.from({ length: 50 }, (_, at) => `/${round}/${at}`);
      const probes = await Promise.all(paths.map((path) => rig.exchange({ path })));
      expect(probes.map((probe) => probe.body)).toEqual(paths);
    }
    expect(origin.sockets.length).toBeLessThanOrEqual(isHttp2(transport) ? 1 : 100);
  });

  it('hears nothing of an exchange that ended before the connection was there', async () => {
    const rig = rigFor();
    const probe = rig.send();
    probe.attempt.abort();
    expect((await rig.exchange()).body).toBe('ok');
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(probe).toMatchObject({ isOver: false, status: 0, lateCalls: 0 });
    expect(count).toBe(1);
  });

  it.each([
    ['before the reply', false],
    ['in the body', true],
  ])('tells the target of an exchange that ended %s', async (_when, hasBegun) => {
    let isCut = false;
    answer = (_request, reply) => {
      onCut(reply, () => {
        isCut = true;
      });
      if (hasBegun) reply.write('begun');
    };
    const rig = rigFor();
    const probe = rig.send();
    if (hasBegun) await eventually('it has begun', () => probe.body === 'begun');
    else await eventually('it is there', () => seen.length === 1);
    probe.attempt.abort();
    await eventually('it is cut off', () => isCut);
    expect(probe).toMatchObject({ isOver: false, lateCalls: 0 });
    answer = sayOk;
    expect((await rig.exchange()).body).toBe('ok');
  });

  it('reads on without a listener when it is told to let go, and keeps the connection', async () => {
    let finish = (): void => {};
    answer = (_request, reply) => {
      reply.write('o');
      finish = () => void reply.end('k');
    };
    const rig = rigFor();
    const probe = rig.send();
    await eventually('the first byte is there', () => probe.pieces.length === 1);
    probe.attempt.detach();
    finish();
    await eventually('it is idle', () => rig.connections.idleCount === 1);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    answer = sayOk;
    expect((await rig.exchange()).body).toBe('ok');
    expect([origin.sockets.length, probe.body]).toEqual([1, 'o']);
  });

  it('fails when the connection is lost in a reply, and goes on over another one', async () => {
    answer = (_request, reply) => void reply.write('begun', () => origin.breakOff());
    const rig = rigFor();
    const probe = await rig.exchange();
    expect([probe.problem, probe.isLoss]).toEqual([PROBLEMS.upstreamReset, true]);
    answer = sayOk;
    expect((await rig.exchange()).body).toBe('ok');
    expect(origin.sockets.length).toBe(2);
  });

  it('sends the next request elsewhere when the kept connection ended meanwhile', async () => {
    const rig = rigFor();
    await rig.exchange();
    origin.breakOff();
    await eventually('it is gone', () => rig.connections.idleCount === 0);
    const probe = await rig.exchange({ method: 'POST', body: Buffer.from('x') });
    expect([probe.status, origin.sockets.length]).toEqual([200, 2]);
  });

  it('says that nobody listens', async () => {
    const rig = rigFor();
    await origin.close();
    const probe = await rig.exchange();
    expect(probe.problem).toBe(PROBLEMS.connectFailed);
    expect([probe.attempt.isReused, probe.attempt.isSent]).toEqual([false, false]);
    await start(transport);
  });

  it('finds a target by its name', async () => {
    expect((await rigFor({ host: 'localhost' }).exchange()).body).toBe('ok');
  });
});

/** Calls when the client does not want the reply any more. */
function onCut(reply: ServerResponse, onIt: () => void): void {
  const { stream } = reply as { readonly stream?: ServerHttp2Stream };
  if (stream === undefined) {
    reply.on('close', () => {
      if (!reply.writableFinished) onIt();
    });
    return;
  }
  stream.on('close', () => {
    if (stream.rstCode === CANCEL) onIt();
  });
}

function hashOf(probe: Probe): string {
  return sha256(Buffer.concat(probe.pieces));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
