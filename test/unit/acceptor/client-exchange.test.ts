/** Every decision about a request that the acceptor makes, with clients and workers played. */
import { describe, expect, it } from 'vitest';
import type { AcceptorConfig } from '../../../src/acceptor/acceptor.js';
import { LINGER_IDLE_MS, LINGER_MS } from '../../../src/acceptor/lingering.js';
import { LOOK_MS } from '../../../src/acceptor/upload-pace.js';
import { field, joinFields } from '../../../src/base/field-block.js';
import { PROBLEMS } from '../../../src/base/problems.js';
import {
  AcceptorLoads,
  allocateLoads,
  FITNESS,
} from '../../../src/channel/acceptor/acceptor-loads.js';
import { BODY_RECORD_BYTES_MAX, WINDOW_BYTES } from '../../../src/channel/lane.js';
import { writeInterimHead, writeTrailers } from '../../../src/channel/records/field-records.js';
import {
  CONVERSATION,
  FLAG_BODILESS,
  FLAG_END,
  FLAG_TUNNEL,
  RESPONSE_ABORT,
  RESPONSE_END,
  RESPONSE_TRAILERS,
  TUNNEL_DOWN,
  TUNNEL_END,
  writeBare,
  writeBody,
} from '../../../src/channel/records/record-kind.js';
import { PROTOCOL_HTTP_2 } from '../../../src/channel/records/request-head.js';
import { AcceptorRig, type AcceptorWish, type RecordSeen } from '../../support/acceptor-rig.js';
import { EVERYTHING, FakeSocket, type RequestWish } from '../../support/fake-client.js';

/** As often as a body may be too slow without being refused. */
const SLOW_LOOKS = 10;

/** A request that its worker has read. */
function aRequest(wish: RequestWish = {}, rigWish: AcceptorWish = {}) {
  const rig = new AcceptorRig(rigWish);
  const socket = rig.engine.request(wish);
  rig.turn();
  const id = rig.worker.readHead();
  return { rig, socket, id, worker: rig.worker };
}

/** An upload of unknown length that its worker has read the head of. */
function anUpload(rigWish: AcceptorWish = {}, wish: RequestWish = {}) {
  return aRequest({ method: 'POST', bodyBytes: -1, ...wish }, rigWish);
}

/** A reload brings other sizes and rates. */
function adopt(rig: AcceptorRig, wish: Partial<AcceptorConfig['limits']>): void {
  const sizes = { headerBytes: 1, headerFields: 90, bodyBytes: 1000, bodyOnGet: true };
  const limits = { ...sizes, bodyRate: 0, lingerBytes: 0, ...wish };
  rig.acceptor.adopt({ limits }, { connectionsMax: 9, perAddressMax: 9, isExempt: () => true });
}

/** Records of bodies: their kinds, and how many bytes they have. */
function sizes(records: readonly RecordSeen[]): (readonly [string, number])[] {
  return records.map(({ what, text }) => [what, text.length]);
}

describe('a request', () => {
  it('goes to a worker, and its reply to the client', () => {
    const { rig, socket, id, worker } = aRequest({ target: '/a?b' });
    worker.head(id, {
      flags: FLAG_END,
      bodyBytes: 5,
      fields: field('Content-Type', 'text/plain'),
      body: 'hello',
    });
    rig.turn();
    expect(socket.head).toEqual({
      status: 200,
      requestId: 'req-1',
      fields: { 'content-type': 'text/plain' },
      bodyBytes: 5,
      isBodiless: false,
      closing: 'none',
    });
    expect([socket.body, socket.isComplete, rig.inFlight]).toEqual(['hello', true, 0]);
    expect(worker.read()).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  it('gets a reply in pieces, of known length or not', () => {
    const { rig, socket, id, worker } = aRequest();
    worker.head(id, { bodyBytes: 6, body: 'ab' });
    worker.body(id, 'cd');
    worker.body(id, 'ef', true);
    rig.turn();
    expect([socket.body, socket.isComplete]).toEqual(['abcdef', true]);
    const other = rig.engine.request();
    rig.turn();
    const otherId = worker.readHead();
    worker.head(otherId);
    worker.body(otherId, 'xy');
    writeBare(worker.end.producer, RESPONSE_END, otherId.index, otherId.generation);
    rig.turn();
    expect([other.body, other.isComplete, rig.inFlight]).toEqual(['xy', true, 0]);
  });

  it('gives the worker window back as the client takes the reply', () => {
    const { rig, socket, id, worker } = aRequest();
    socket.room = 0;
    worker.head(id, { bodyBytes: 400_000 });
    for (let at = 0; at < 4; at++) worker.body(id, Buffer.alloc(100_000, 97), at === 3);
    rig.turn();
    expect([socket.unsentBytes, rig.inFlight]).toEqual([400_000, 1]);
    expect(worker.read()).toEqual([]);
    socket.take(150_000);
    rig.turn();
    expect(worker.readTexts()).toEqual(['window: 150000']);
    socket.take(400_000);
    rig.turn();
    expect([socket.body.length, socket.isComplete, rig.inFlight]).toEqual([400_000, true, 0]);
  });

  it('whose reply breaks off is cut off, before its head as well as behind it', () => {
    for (const hasHead of [false, true]) {
      const { rig, socket, id, worker } = aRequest();
      if (hasHead) worker.head(id, { bodyBytes: 10, body: 'abc' });
      writeBare(worker.end.producer, RESPONSE_ABORT, id.index, id.generation);
      rig.turn();
      expect([socket.isCutOff, socket.isComplete, rig.inFlight]).toEqual([true, false, 0]);
      expect(worker.read()).toEqual([]);
      expect(rig.errors).toEqual([]);
    }
  });

  it('that its client leaves is over for the worker, and late records find nobody', () => {
    const { rig, socket, id, worker } = aRequest();
    socket.leave();
    rig.turn();
    expect(worker.readTexts()).toEqual(['abort: left']);
    worker.reply(id);
    rig.turn();
    expect([socket.head, rig.inFlight]).toEqual([null, 0]);
    expect(rig.dispatcher.figures()[0]?.staleRecords).toBe(1);
    expect(rig.errors).toEqual([]);
  });

  it('that is left in the middle of its reply ends once', () => {
    const { rig, socket, id, worker } = aRequest();
    socket.room = 1;
    worker.head(id, { bodyBytes: 6, body: 'abc' });
    rig.turn();
    socket.leave();
    worker.body(id, 'def', true);
    rig.turn();
    expect(worker.readTexts()).toEqual(['abort: left']);
    expect(rig.inFlight).toBe(0);
    expect(rig.errors).toEqual([]);
  });
});

describe('a request body', () => {
  it('goes on in pieces that a record may have, its end with the last', () => {
    const { rig, socket, worker } = anUpload();
    socket.send(Buffer.alloc(BODY_RECORD_BYTES_MAX + 1), false);
    socket.send('xyz', true);
    rig.turn();
    expect(sizes(worker.read())).toEqual([
      ['body', BODY_RECORD_BYTES_MAX],
      ['body', 1],
      ['body end', 3],
    ]);
    expect(socket.pauses).toBe(0);
  });

  it('that ends with an empty piece ends by itself', () => {
    const { rig, socket, worker } = anUpload();
    socket.send('abc');
    socket.send('', true);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: abc', 'end']);
  });

  it('beyond the window waits, in order, and its client is paused until that is gone', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES, 97));
    expect(socket.isPaused).toBe(false);
    socket.send('bb');
    expect(socket.isPaused).toBe(true);
    // What was read before the pause took effect.
    socket.send('cc');
    rig.turn();
    const bytes = sizes(worker.read()).reduce((sum, [, size]) => sum + size, 0);
    expect(bytes).toBe(WINDOW_BYTES);
    worker.giveWindow(id, 3);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: bb', 'body: c']);
    expect(socket.isPaused).toBe(true);
    worker.giveWindow(id, 100);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: c']);
    expect(socket.isPaused).toBe(false);
    socket.send('dd', true);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body end: dd']);
  });

  it('whose last piece is beyond the window pauses nobody, and ends with that piece', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES));
    socket.send('last', true);
    expect(socket.pauses).toBe(0);
    rig.turn();
    worker.read();
    worker.giveWindow(id, 3);
    worker.giveWindow(id, 1);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: las', 'body end: t']);
  });

  it('waits whole while the window ends between two of its pieces', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES));
    socket.send('bb');
    socket.send('cc');
    rig.turn();
    worker.read();
    worker.giveWindow(id, 2);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: bb']);
    expect(socket.isPaused).toBe(true);
  });

  it('that ends with an empty piece ends behind what waits, and not before', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES));
    socket.send('bb');
    socket.send('', true);
    rig.turn();
    expect(worker.read().some(({ what }) => what.endsWith('end'))).toBe(false);
    worker.giveWindow(id, 10);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: bb', 'end']);
  });

  it('over the limit is refused, and the worker hears that it was answered', () => {
    const { rig, socket, worker } = anUpload({ limits: { bodyBytes: 10 } });
    socket.send('0123456789');
    expect(socket.head).toBeNull();
    socket.send('x');
    expect(socket.head).toMatchObject({ status: 413, closing: 'lingering' });
    expect(JSON.parse(socket.body)).toMatchObject({ code: PROBLEMS.bodyTooLarge.code });
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: 0123456789', 'abort: answered']);
    expect([rig.inFlight, rig.localReplies.length]).toEqual([0, 1]);
  });

  it('over the limit, when its reply has begun, cuts the reply off', () => {
    const { rig, socket, id, worker } = anUpload({ limits: { bodyBytes: 10 } });
    worker.head(id, { bodyBytes: 100, body: 'begun' });
    rig.turn();
    socket.send('0123456789x');
    expect([socket.isCutOff, socket.head?.status, rig.inFlight]).toEqual([true, 200, 0]);
    rig.turn();
    expect(worker.readTexts()).toEqual(['abort: left']);
    expect(rig.localReplies).toEqual([]);
  });

  it('goes by the limit that held when its request began', () => {
    const { rig, socket } = anUpload({ limits: { bodyBytes: 10 } });
    adopt(rig, { bodyBytes: 5 });
    socket.send('0123456789');
    expect(socket.head).toBeNull();
    const next = rig.engine.request({ method: 'POST', bodyBytes: -1 });
    next.send('012345');
    expect(next.head?.status).toBe(413);
  });

  it('whose client leaves while some of it waits gives its memory back', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES + 600_000));
    socket.leave();
    rig.turn();
    worker.giveWindow(id, WINDOW_BYTES);
    rig.turn();
    expect(worker.readTexts().at(-1)).toBe('abort: left');
    expect(rig.errors).toEqual([]);
  });

  it('may end with trailers, which wait for what comes before them', () => {
    const { rig, socket, id, worker } = anUpload({ capabilities: EVERYTHING });
    socket.send('abc');
    socket.listener.onTrailers(field('X-Sum', '1'));
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: abc', 'trailers: {"x-sum":"1"}']);
    worker.reply(id);
    rig.turn();
    expect(socket.head?.closing).toBe('none');
    const late = rig.engine.request({ method: 'POST', bodyBytes: -1 });
    late.send(Buffer.alloc(WINDOW_BYTES + 2, 98));
    late.listener.onTrailers(field('X-Sum', '2'));
    rig.turn();
    const read = worker.read();
    const lateId = read[0] ?? id;
    expect(read.at(-1)?.what).toBe('body');
    worker.giveWindow(lateId, 10);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: bb', 'trailers: {"x-sum":"2"}']);
    expect(rig.errors).toEqual([]);
  });
});

describe('a slow body', () => {
  /** A look at a time; `bytes` come before each. */
  function looks(rig: AcceptorRig, count: number, send: () => void = () => {}): void {
    for (let look = 0; look < count; look++) {
      send();
      rig.clock.advance(LOOK_MS);
    }
  }
  const limits = { bodyRate: 240 };
  const enough = Buffer.alloc((240 * LOOK_MS) / 1000);

  it('is refused at ten looks in a row at which too little had come, and not at nine', () => {
    const { rig, socket, worker } = anUpload({ limits });
    looks(rig, SLOW_LOOKS - 1, () => socket.send(enough.subarray(1)));
    expect(socket.head).toBeNull();
    looks(rig, 1);
    expect(socket.head).toMatchObject({ status: 408, closing: 'lingering' });
    expect(worker.readTexts().at(-1)).toBe('abort: answered');
    looks(rig, 2 * SLOW_LOOKS, () => socket.send('late'));
    expect(rig.localReplies).toHaveLength(1);
    expect(rig.errors).toEqual([]);
  });

  it('is judged by the rate that is in force', () => {
    const { rig, socket } = anUpload({ limits: { bodyRate: 0 } });
    looks(rig, 2 * SLOW_LOOKS);
    expect(socket.head).toBeNull();
    adopt(rig, limits);
    looks(rig, SLOW_LOOKS);
    expect(socket.head?.status).toBe(408);
  });

  it('that is just fast enough, or catches up now and then, goes on', () => {
    const { rig, socket } = anUpload({ limits });
    looks(rig, 5 * SLOW_LOOKS, () => socket.send(enough));
    for (let round = 0; round < 5; round++) {
      looks(rig, SLOW_LOOKS - 1);
      looks(rig, 1, () => socket.send(enough));
    }
    expect(socket.head).toBeNull();
  });

  it('that the gateway itself holds back is not the fault of its client', () => {
    const { rig, socket } = anUpload({ limits });
    socket.send(Buffer.alloc(WINDOW_BYTES + 1));
    looks(rig, 5 * SLOW_LOOKS);
    expect(socket.head).toBeNull();
  });

  it('that is complete may wait for its reply', () => {
    const { rig, socket } = anUpload({ limits });
    socket.send('done', true);
    looks(rig, 5 * SLOW_LOOKS);
    expect([socket.head, socket.refreshes]).toEqual([null, 5 * SLOW_LOOKS]);
  });

  it('of a call of gRPC may be as slow as its client likes, once its route takes calls', () => {
    const fields = [['content-type', 'application/grpc']] as const;
    const call = { protocol: PROTOCOL_HTTP_2, fields };
    const { rig, socket, id, worker } = anUpload({ limits }, call);
    writeBare(worker.end.producer, CONVERSATION, id.index, id.generation);
    rig.turn();
    looks(rig, 5 * SLOW_LOOKS, () => socket.send('x'));
    looks(rig, 5 * SLOW_LOOKS);
    expect([socket.head, socket.isCutOff, socket.listener.isConversation]).toEqual([
      null,
      false,
      true,
    ]);
  });

  it('is slow whatever its fields say, where the route takes no calls', () => {
    const fields = [['content-type', 'application/grpc']] as const;
    const { rig, socket } = anUpload({ limits }, { protocol: PROTOCOL_HTTP_2, fields });
    looks(rig, SLOW_LOOKS, () => socket.send('x'));
    expect(socket.head?.status).toBe(200);
    expect(rig.localReplies).toMatchObject([{ kind: PROBLEMS.requestTimeout }]);
  });

  it('cuts its reply off, when that has begun', () => {
    const { rig, socket, id, worker } = anUpload({ limits });
    worker.head(id, { body: 'begun' });
    rig.turn();
    looks(rig, SLOW_LOOKS);
    expect([socket.isCutOff, rig.inFlight, rig.localReplies]).toEqual([true, 0, []]);
  });
});

describe('a request whose worker died', () => {
  it('runs again once, where that is safe', () => {
    const rig = new AcceptorRig({ lanes: 2 });
    const socket = rig.engine.request({ target: '/again' });
    rig.turn();
    const before = rig.workers.findIndex((worker) => worker.read().length > 0);
    rig.dispatcher.detach(before);
    rig.turn();
    expect(rig.workers[1 - before]?.readTexts()).toEqual(['head end: GET /again']);
    expect(socket.head).toBeNull();
    rig.serve(before);
    rig.dispatcher.detach(1 - before);
    expect(socket.head).toMatchObject({ status: 502, closing: 'none' });
    expect(JSON.parse(socket.body)).toMatchObject({ code: PROBLEMS.workerLost.code });
    expect([rig.inFlight, rig.errors]).toEqual([0, []]);
  });

  it.each([
    ['is not idempotent', { method: 'PATCH' }],
    ['has a body', { method: 'PUT', bodyBytes: 3 }],
    ['has a head that was too long to keep', { target: `/${'x'.repeat(8192)}` }],
  ])('is answered by the gateway when it %s', (_why, wish) => {
    const rig = new AcceptorRig({ lanes: 2 });
    const socket = rig.engine.request(wish);
    rig.turn();
    const before = rig.workers.findIndex((worker) => worker.read().length > 0);
    rig.dispatcher.detach(before);
    expect(socket.head?.status).toBe(502);
    expect(rig.inFlight).toBe(0);
  });

  it('is cut off when its reply has begun', () => {
    const { rig, socket, id, worker } = aRequest({}, { lanes: 1 });
    worker.head(id, { body: 'begun' });
    rig.turn();
    rig.dispatcher.detach(0);
    expect([socket.isCutOff, socket.body, rig.inFlight]).toEqual([true, 'begun', 0]);
    expect(rig.localReplies).toEqual([]);
  });

  it.each([
    ['gRPC', { 'content-type': 'application/grpc+proto' }, {}, true],
    ['gRPC whose head has told a length', { 'content-type': 'application/grpc' }, { bodyBytes: 9 }],
    ['gRPC-Web', { 'content-type': 'application/grpc-web+proto' }, {}],
    ['HTTP', { 'content-type': 'application/json' }, {}],
  ])('ends with trailers for %s, or is cut off', (_name, fields, reply, hasTrailers = false) => {
    const wish = { protocol: PROTOCOL_HTTP_2, fields: Object.entries(fields) };
    const { rig, socket, id, worker } = anUpload({ capabilities: EVERYTHING }, wish);
    worker.head(id, { body: 'begun', ...reply });
    rig.turn();
    rig.dispatcher.detach(0);
    expect([socket.isCutOff, socket.isComplete]).toEqual([!hasTrailers, hasTrailers]);
    expect(socket.trailers).toEqual(
      hasTrailers ? { 'grpc-status': '14', 'grpc-message': 'The worker ended; try again.' } : null,
    );
    expect([rig.inFlight, rig.localReplies, rig.errors]).toEqual([0, [], []]);
    socket.send('more of the upload');
    rig.turn();
    expect(rig.errors).toEqual([]);
  });

  it('is read on from where it was paused, so that its connection ends in order', () => {
    const { rig, socket } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES + 1));
    expect(socket.isPaused).toBe(true);
    rig.turn();
    rig.worker.read();
    rig.dispatcher.detach(0);
    expect([socket.isPaused, socket.head?.closing]).toEqual([false, 'lingering']);
  });

  it('gives the memory of what waited back once', () => {
    const { rig, socket } = anUpload({ lanes: 1 });
    socket.send(Buffer.alloc(WINDOW_BYTES));
    socket.send(Buffer.alloc(400_000));
    rig.turn();
    rig.worker.read();
    rig.dispatcher.detach(0);
    expect(socket.isComplete).toBe(true);
    const worker = rig.serve(0);
    const uploads = ['b', 'c'].map((letter) => {
      const upload = rig.engine.request({ method: 'POST', bodyBytes: -1 });
      upload.send(Buffer.alloc(WINDOW_BYTES));
      upload.send(Buffer.alloc(400_000, letter));
      return upload;
    });
    rig.turn();
    const ids = worker.read().filter(({ what }) => what === 'head');
    expect(ids).toHaveLength(uploads.length);
    for (const id of ids) worker.giveWindow(id, 400_000);
    rig.turn();
    const bodies = ids.map(() => '');
    for (const { what, text, index } of worker.read()) {
      if (what === 'body') bodies[ids.findIndex((id) => id.index === index)] += text;
    }
    expect(bodies.map((body) => [...new Set(body)].join())).toEqual(['b', 'c']);
  });

  it('is refused when no other comes in time', () => {
    const rig = new AcceptorRig();
    rig.dispatcher.detach(0);
    const socket = rig.engine.request({ target: '/kept' });
    // The engine's own object serves its next request meanwhile.
    const fresh = rig.engine.request({ target: '/fresh' });
    rig.clock.advance(4000);
    expect(socket.head).toBeNull();
    const worker = rig.serve(0);
    rig.turn();
    expect(worker.readTexts()).toEqual(['head end: GET /kept', 'head end: GET /fresh']);
    rig.dispatcher.detach(0);
    const late = rig.engine.request();
    rig.clock.advance(10_000);
    expect(late.head).toMatchObject({ status: 503, fields: { 'retry-after': '1' } });
    expect(JSON.parse(late.body)).toMatchObject({ code: PROBLEMS.notReady.code });
    expect([socket.isOver, fresh.isOver, rig.errors]).toEqual([true, true, []]);
  });
});

describe('what becomes of the connection', () => {
  const whole = { flags: FLAG_END, bodyBytes: 2, body: 'ok' };

  it('nothing, behind a request that is complete', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send('abc', true);
    worker.head(id, whole);
    rig.turn();
    expect(socket.head?.closing).toBe('none');
  });

  it('lingers, where the body was not complete when the reply began', () => {
    const { rig, socket, id, worker } = anUpload();
    worker.head(id, whole);
    rig.turn();
    expect(socket.head?.closing).toBe('lingering');
  });

  it('is announced to close while the gateway drains, and new requests are still taken', () => {
    const { rig, socket, id, worker } = aRequest();
    rig.acceptor.stopListening();
    worker.reply(id);
    rig.turn();
    expect(socket.head?.closing).toBe('announced');
    const next = rig.engine.request();
    rig.turn();
    worker.reply(worker.readHead());
    rig.turn();
    expect(next.head).toMatchObject({ status: 200, closing: 'announced' });
  });

  it('is read no more, where what follows the request cannot be trusted', () => {
    const { rig, socket, id, worker } = aRequest({ mustClose: true });
    worker.reply(id);
    rig.turn();
    expect(socket.head?.closing).toBe('deaf');
  });

  it('is resumed before the reply: nothing else would wake it for the next request', () => {
    const { rig, socket, id, worker } = anUpload();
    socket.send(Buffer.alloc(WINDOW_BYTES + 1));
    rig.turn();
    worker.read();
    expect(socket.isPaused).toBe(true);
    worker.head(id, { body: 'begun' });
    rig.turn();
    expect(socket.isPaused).toBe(false);
  });
});

describe('behind a reply that came before the end of its upload', () => {
  const whole = { flags: FLAG_END, bodyBytes: 2, body: 'ok' };

  function anEarlyReply(wish: RequestWish = {}) {
    const made = anUpload({ limits: { lingerBytes: 100 } }, wish);
    made.worker.head(made.id, whole);
    made.rig.turn();
    expect([made.socket.isComplete, made.socket.isCutOff]).toEqual([true, false]);
    // The worker is done with it: what comes now is nobody's.
    expect(made.rig.inFlight).toBe(0);
    made.worker.read();
    return made;
  }

  it('the client may send on, and is closed in a later turn once the upload has ended', () => {
    const { rig, socket, worker } = anEarlyReply();
    socket.send('x'.repeat(99));
    socket.send('', true);
    expect(socket.isCutOff).toBe(false);
    rig.turn();
    expect(socket.isCutOff).toBe(true);
    expect([worker.read(), rig.errors]).toEqual([[], []]);
  });

  it('the client is closed at the byte over the bound', () => {
    const { rig, socket } = anEarlyReply();
    socket.send('x'.repeat(100));
    expect(socket.isCutOff).toBe(false);
    socket.send('x');
    expect(socket.isCutOff).toBe(true);
    expect(rig.errors).toEqual([]);
  });

  it('a client that sends nothing is closed', () => {
    const { rig, socket } = anEarlyReply();
    socket.send('x');
    rig.clock.advance(LINGER_IDLE_MS);
    expect(socket.isCutOff).toBe(false);
    rig.clock.advance(LINGER_IDLE_MS);
    expect(socket.isCutOff).toBe(true);
  });

  it('a client that sends a little for ever is closed at the end of the time', () => {
    const { rig, socket } = anEarlyReply();
    for (let ms = LINGER_IDLE_MS; ms < LINGER_MS; ms += LINGER_IDLE_MS) {
      socket.send('x');
      rig.clock.advance(LINGER_IDLE_MS);
    }
    expect(socket.isCutOff).toBe(false);
    socket.send('x');
    rig.clock.advance(LINGER_IDLE_MS);
    expect(socket.isCutOff).toBe(true);
  });

  it('a client that leaves leaves no timer', () => {
    const { rig, socket } = anEarlyReply();
    socket.leave();
    rig.clock.advance(2 * LINGER_MS);
    expect([socket.isCutOff, rig.errors]).toEqual([false, []]);
  });

  it('a paused engine reads again', () => {
    const { rig, socket, id, worker } = anUpload({ limits: { lingerBytes: 100 } });
    worker.head(id, { body: 'ok' });
    rig.turn();
    socket.send(Buffer.alloc(WINDOW_BYTES + 1));
    expect(socket.isPaused).toBe(true);
    writeBare(worker.end.producer, RESPONSE_END, id.index, id.generation);
    rig.turn();
    expect([socket.isComplete, socket.isPaused]).toEqual([true, false]);
    // The reply may still be on its way: the closing is the client's, or that of the clock.
    socket.send('', true);
    rig.turn();
    expect(socket.isCutOff).toBe(false);
    rig.clock.advance(2 * LINGER_IDLE_MS);
    expect(socket.isCutOff).toBe(true);
  });

  it('nothing lingers when the upload ended while the reply was on its way', () => {
    const { rig, socket, id, worker } = anUpload();
    worker.head(id, { body: 'ok' });
    rig.turn();
    socket.send('all', true);
    writeBare(worker.end.producer, RESPONSE_END, id.index, id.generation);
    rig.turn();
    rig.clock.advance(2 * LINGER_MS);
    expect([socket.isComplete, socket.isCutOff]).toEqual([true, false]);
  });

  it('a refusal reads on as well, and closes at once where all had come before it', () => {
    const rig = new AcceptorRig();
    const wish = { method: 'POST', problem: PROBLEMS.bodyTooLarge, bodyBytes: 5 };
    const early = rig.engine.request(wish);
    early.send('abc');
    rig.turn();
    expect([early.head?.closing, early.isCutOff]).toEqual(['lingering', false]);
    early.send('de', true);
    rig.turn();
    expect(early.isCutOff).toBe(true);
    const late = rig.engine.request(wish);
    late.send('abcde', true);
    rig.turn();
    expect(late.head?.closing).toBe('closed');
    expect(rig.errors).toEqual([]);
  });
});

describe('a refusal', () => {
  it('is answered in a later turn, recorded, and closes the connection', () => {
    const rig = new AcceptorRig();
    const refused = { problem: PROBLEMS.badFraming, reason: 'two lengths' };
    const wish = { method: 'POST', target: '/a', bodyBytes: 5, ...refused };
    const socket = rig.engine.request(wish);
    expect(socket.head).toBeNull();
    rig.clock.time.ms += 12;
    rig.turn();
    expect(socket.head).toMatchObject({
      status: 400,
      closing: 'lingering',
      requestId: 'abc-00000001',
      fields: { 'content-type': 'application/problem+json', 'x-response-time': '0.012s' },
    });
    expect(socket.head?.fields).not.toHaveProperty('retry-after');
    expect(rig.worker.read()).toEqual([]);
    expect(rig.localReplies).toEqual([
      {
        requestId: 'abc-00000001',
        method: 'POST',
        protocol: 11,
        target: '/a',
        peer: '192.0.2.1',
        kind: PROBLEMS.badFraming,
        cause: 'two lengths',
        durationMs: 12,
      },
    ]);
  });

  it('has the fields that its head asks for, also when the head is too long to be kept', () => {
    const heads: string[] = [];
    const rig = new AcceptorRig({
      fieldsOfRefusal: (method, target, text) => {
        heads.push(`${method} ${target} ${text.split('\n').slice(4).join()}`);
        return field('X-For-Pages', '1');
      },
    });
    const refuse = (pad: number): void => {
      const fields = [
        ['x-pad', 'x'.repeat(pad)],
        ['origin', 'https://a.example'],
        ['x-other', '1'],
      ] as const;
      const socket = rig.engine.request({ target: '/a', problem: PROBLEMS.headTooLarge, fields });
      rig.turn();
      expect(socket.head?.fields).toMatchObject({ 'x-for-pages': '1' });
    };
    refuse(1);
    refuse(9000);
    expect(heads).toEqual([
      'GET /a x-pad,x,origin,https://a.example,x-other,1',
      'GET /a origin,https://a.example',
    ]);
  });

  it.each([1, 9000])('of gRPC is a reply without a message (a field of %i characters)', (pad) => {
    const rig = new AcceptorRig();
    const fields = [
      ['x-pad', 'x'.repeat(pad)],
      ['content-type', 'application/grpc+proto'],
    ] as const;
    const wish = { method: 'POST', target: '/a.B/C', fields, bodyBytes: 0 };
    const socket = rig.engine.request({ ...wish, problem: PROBLEMS.headTooLarge });
    rig.turn();
    expect(socket.head).toMatchObject({ status: 200, bodyBytes: 0 });
    expect(socket.head?.fields).toMatchObject({
      'content-type': 'application/grpc+proto',
      'grpc-status': '8',
      'grpc-message': expect.stringContaining('limits.headerBytes'),
      'proxy-status': expect.stringContaining('GW_HEAD_TOO_LARGE'),
    });
    expect(socket.body).toBe('');
    expect(rig.localReplies).toMatchObject([{ kind: PROBLEMS.headTooLarge }]);
  });

  it('says to a client of gRPC when to come again where the gateway is full', () => {
    const rig = new AcceptorRig({ limits: { inFlight: 1 } });
    rig.engine.request();
    const fields = [['content-type', 'application/grpc']] as const;
    const socket = rig.engine.request({ method: 'POST', fields });
    rig.turn();
    expect(socket.head?.fields).toMatchObject({
      'grpc-status': '14',
      'grpc-retry-pushback-ms': '1000',
    });
    expect(socket.head?.fields).not.toHaveProperty('retry-after');
  });

  it('has no window: nobody is told what the client takes of it', () => {
    const rig = new AcceptorRig({ limits: { inFlight: 1 } });
    rig.engine.request();
    rig.engine.request().listener.onSent(100_000);
    rig.turn();
    expect(rig.errors).toEqual([]);
  });

  it('of a client that has left meanwhile is neither sent nor recorded', () => {
    const rig = new AcceptorRig();
    const socket = rig.engine.request({ problem: PROBLEMS.badHost });
    socket.leave();
    rig.turn();
    expect([socket.head, rig.localReplies, rig.errors]).toEqual([null, [], []]);
  });

  it('has no body for HEAD', () => {
    const rig = new AcceptorRig({ limits: { inFlight: 1 } });
    rig.engine.request();
    const socket = rig.engine.request({ method: 'HEAD' });
    expect(socket.head).toMatchObject({ status: 503, isBodiless: true, closing: 'none' });
    expect(socket.body).toBe('');
  });

  it('for want of room comes at once, or later where a body would follow', () => {
    const rig = new AcceptorRig({ limits: { inFlight: 1 } });
    rig.engine.request();
    const plain = rig.engine.request();
    expect(plain.head).toMatchObject({ status: 503, closing: 'none' });
    expect(JSON.parse(plain.body)).toMatchObject({ code: PROBLEMS.overloaded.code });
    const upload = rig.engine.request({ method: 'POST', bodyBytes: 9 });
    expect(upload.head).toBeNull();
    rig.turn();
    expect(upload.head).toMatchObject({ status: 503, closing: 'lingering' });
    expect(rig.inFlight).toBe(1);
  });

  it('says so when no worker comes for an upload', () => {
    const rig = new AcceptorRig();
    rig.dispatcher.detach(0);
    const socket = rig.engine.request({ method: 'POST', bodyBytes: 9 });
    socket.send(Buffer.from('half'));
    rig.clock.advance(4999);
    rig.turn();
    expect(socket.head).toBeNull();
    rig.clock.advance(1);
    rig.turn();
    expect(JSON.parse(socket.body)).toMatchObject({ code: PROBLEMS.notReady.code });
    expect([rig.inFlight, rig.errors]).toEqual([0, []]);
  });

  it('of an upload that waits for a worker with more than there is room for comes once', () => {
    const rig = new AcceptorRig({ limits: { bodyBytes: 1e9 } });
    rig.dispatcher.detach(0);
    const piece = Buffer.alloc(WINDOW_BYTES);
    const sockets = Array.from({ length: 9 }, () => {
      const socket = rig.engine.request({ method: 'POST', bodyBytes: 1e9 });
      socket.send(piece);
      socket.send(piece);
      return socket;
    });
    rig.turn();
    // Eight windows are what a lane would take.
    expect(sockets.map(({ head }) => head?.status)).toEqual([...Array(8).fill(undefined), 503]);
    const worker = rig.serve(0);
    rig.turn();
    const heads = worker.read().filter(({ what }) => what === 'head');
    expect([heads.length, rig.inFlight, rig.errors]).toEqual([8, 8, []]);
  });

  it('closes its connection while the gateway drains', () => {
    const rig = new AcceptorRig({ limits: { inFlight: 1 } });
    rig.engine.request();
    rig.acceptor.beginDrain();
    expect(rig.engine.request().head?.closing).toBe('closed');
  });
});

describe('a gateway that ends', () => {
  it('cuts off what is in flight, and the workers hear why', () => {
    const { rig, socket, worker } = aRequest();
    rig.acceptor.close();
    expect(worker.readTexts()).toEqual(['abort: cut']);
    expect([socket.isGone, rig.inFlight, rig.clock.timerCount]).toEqual([true, 0, 0]);
  });
});

describe('what an engine may not be able to carry', () => {
  const sum = joinFields(field('Grpc-Status', '0'), field('X-Sum', '1'));

  it('trailers end the body, with their fields or without', () => {
    for (const capabilities of [EVERYTHING, { ...EVERYTHING, trailers: false }]) {
      const { rig, socket, id, worker } = aRequest({}, { capabilities });
      worker.head(id, { body: 'abc' });
      writeTrailers(worker.end.producer, RESPONSE_TRAILERS, id, sum);
      rig.turn();
      const expected = capabilities.trailers ? { 'grpc-status': '0', 'x-sum': '1' } : null;
      expect(socket.trailers).toEqual(expected);
      expect([socket.body, socket.isComplete, rig.inFlight]).toEqual(['abc', true, 0]);
    }
  });

  it('interim heads come before the head, or not at all', () => {
    for (const capabilities of [EVERYTHING, { ...EVERYTHING, interimHeads: false }]) {
      const { rig, socket, id, worker } = aRequest({}, { capabilities });
      writeInterimHead(worker.end.producer, id, 103, field('Link', '</a>'));
      worker.head(id, { body: 'begun' });
      // Too late: it is dropped.
      writeInterimHead(worker.end.producer, id, 103, field('Link', '</b>'));
      worker.body(id, '', true);
      rig.turn();
      const { interimHeads } = capabilities;
      expect(socket.interims).toEqual(
        interimHeads ? [{ status: 103, fields: { link: '</a>' } }] : [],
      );
      expect([socket.head?.status, socket.isComplete, rig.errors]).toEqual([200, true, []]);
    }
  });

  it('a tunnel is cut off where there can be none', () => {
    const capabilities = { ...EVERYTHING, tunnels: false };
    const { rig, socket, id, worker } = aRequest({}, { capabilities });
    worker.head(id, { status: 101, flags: FLAG_TUNNEL });
    rig.turn();
    expect([socket.head, socket.isCutOff, rig.inFlight]).toEqual([null, true, 0]);
    expect(worker.readTexts()).toEqual(['abort: left']);
  });
});

describe('a tunnel', () => {
  function aTunnel() {
    const opened = aRequest({}, { capabilities: EVERYTHING, limits: { bodyBytes: 10 } });
    opened.worker.head(opened.id, { status: 101, flags: FLAG_TUNNEL });
    opened.rig.turn();
    const down = (bytes: string): void => {
      const { index, generation } = opened.id;
      writeBody(opened.worker.end.producer, TUNNEL_DOWN, index, generation, Buffer.from(bytes));
    };
    const endDown = (): void => {
      const { index, generation } = opened.id;
      writeBare(opened.worker.end.producer, TUNNEL_END, index, generation);
    };
    return { ...opened, down, endDown };
  }

  it('carries bytes both ways, longer than any body may be', () => {
    const { rig, socket, worker, down } = aTunnel();
    expect(socket.head).toMatchObject({ status: 101, closing: 'none' });
    socket.send('0123456789abcdef');
    down('hello');
    down(' there');
    rig.turn();
    expect(worker.readTexts()).toEqual(['up: 0123456789abcdef']);
    expect([socket.body, socket.isComplete, rig.inFlight]).toEqual(['hello there', false, 1]);
  });

  it('is over when both ways have ended, whichever ends first', () => {
    const first = aTunnel();
    first.socket.send('bye', true);
    first.rig.turn();
    expect(first.worker.readTexts()).toEqual(['up: bye', 'up end']);
    expect(first.rig.inFlight).toBe(1);
    first.endDown();
    first.rig.turn();
    expect([first.socket.isComplete, first.rig.inFlight]).toEqual([true, 0]);

    const second = aTunnel();
    second.endDown();
    second.rig.turn();
    expect([second.socket.isComplete, second.rig.inFlight]).toEqual([true, 1]);
    second.socket.send('late');
    second.socket.send('', true);
    second.rig.turn();
    expect(second.worker.readTexts()).toEqual(['up: late', 'up end']);
    expect([second.rig.inFlight, second.rig.errors]).toEqual([0, []]);
  });

  it('has a window, and what is beyond it waits with its end', () => {
    const { rig, socket, id, worker } = aTunnel();
    socket.send(Buffer.alloc(WINDOW_BYTES));
    socket.send('xy');
    expect(socket.isPaused).toBe(true);
    socket.send('z', true);
    rig.turn();
    worker.read();
    worker.giveWindow(id, 2);
    rig.turn();
    expect(worker.readTexts()).toEqual(['up: xy']);
    worker.giveWindow(id, 9);
    rig.turn();
    expect(worker.readTexts()).toEqual(['up: z', 'up end']);
  });

  it('may be silent for as long as it likes', () => {
    const { rig, socket } = aTunnel();
    rig.clock.advance(3 * SLOW_LOOKS * LOOK_MS);
    expect([socket.isCutOff, rig.inFlight]).toEqual([false, 1]);
  });

  it('is cut off with its worker, and its worker hears of a client that left', () => {
    const first = aTunnel();
    first.rig.dispatcher.detach(0);
    expect([first.socket.isCutOff, first.rig.inFlight]).toEqual([true, 0]);
    const second = aTunnel();
    second.socket.leave();
    second.rig.turn();
    expect(second.worker.readTexts()).toEqual(['abort: left']);
  });
});

describe('a mistake of ours', () => {
  it('while a refusal is recorded leaves the rest alone', () => {
    const mistake = new Error('no record');
    const rig = new AcceptorRig({
      limits: { inFlight: 1 },
      onLocalReply: () => {
        throw mistake;
      },
    });
    rig.engine.request();
    const socket = rig.engine.request();
    expect([socket.isComplete, rig.errors, rig.inFlight]).toEqual([true, [mistake], 1]);
  });

  it('while a request is sent gives its place back', () => {
    const rig = new AcceptorRig();
    const mistake = new Error('the ring is broken');
    rig.turn();
    // The worker sleeps, and waking it fails: behind the place that the request was given.
    rig.worker.end.consumer.park();
    const broken = {
      postMessage: () => {
        throw mistake;
      },
    };
    rig.dispatcher.attach(0, rig.worker.memory, broken);
    rig.turn();
    const socket = rig.engine.request();
    expect([rig.errors, socket.isCutOff, rig.inFlight]).toEqual([[mistake], true, 0]);
    expect(rig.dispatcher.figures()[0]?.inFlight).toBe(0);
  });

  it('while a reply is sent ends its exchange, and not those behind it', () => {
    const mistake = new Error('no head');
    const broken = new FakeSocket();
    broken.sendHead = () => {
      throw mistake;
    };
    const rig = new AcceptorRig();
    rig.engine.request({}, broken);
    const other = rig.engine.request();
    rig.turn();
    const ids = rig.worker.read();
    for (const id of ids) rig.worker.reply(id);
    rig.turn();
    expect([rig.errors, broken.isCutOff, other.isComplete]).toEqual([[mistake], true, true]);
    expect(rig.inFlight).toBe(0);
    expect(rig.worker.readTexts()).toEqual(['abort: left']);
  });

  it('while a body is read ends the exchange, and its worker hears of it', () => {
    const { rig, socket, worker } = anUpload();
    const mistake = new Error('no room');
    const { dispatcher } = rig;
    const sendBody = dispatcher.sendBody.bind(dispatcher);
    dispatcher.sendBody = () => {
      throw mistake;
    };
    socket.send('abc');
    dispatcher.sendBody = sendBody;
    rig.turn();
    expect([rig.errors, socket.isCutOff, rig.inFlight]).toEqual([[mistake], true, 0]);
    expect(worker.readTexts()).toEqual(['abort: left']);
  });
});

it('counts connections, and refuses what is too many', async () => {
  const { engine, acceptor, opened } = new AcceptorRig();
  await opened;
  const answers = ['a', 'b', 'c', 'd'].map((address) => engine.connect(address));
  expect(answers).toEqual([true, true, true, false]);
  engine.disconnect('d');
  expect(acceptor.connectionFigures).toMatchObject({ open: 3, refusedInAll: 1 });
});

it('a bodiless reply says how long its body would be', () => {
  const { rig, socket, id, worker } = aRequest({ method: 'HEAD' });
  worker.head(id, { flags: FLAG_END | FLAG_BODILESS, bodyBytes: 1234 });
  rig.turn();
  expect(socket.head).toMatchObject({ bodyBytes: 1234, isBodiless: true });
  expect([socket.isComplete, rig.inFlight]).toEqual([true, 0]);
});

describe('a request that comes to a cell without workers', () => {
  /** Two cells; the other one serves unless it is told otherwise. */
  function twoCells(othersServe = true) {
    const memory = allocateLoads(2);
    const other = new AcceptorLoads(memory, 1);
    if (othersServe) other.setFitness(FITNESS.serving);
    const loads = new AcceptorLoads(memory, 0);
    const rig = new AcceptorRig({
      cell: { loads, addresses: null, acceptorCount: 2, incarnation: 0 },
    });
    rig.dispatcher.detach(0);
    return { rig, other };
  }

  it('waits for a spare thread as long as that takes, and goes to its worker', () => {
    const { rig } = twoCells();
    const socket = rig.engine.request();
    rig.clock.advance(900);
    const worker = rig.serve(0);
    rig.turn();
    expect(worker.readTexts()).toEqual(['head end: GET /']);
    expect(socket.head).toBeNull();
  });

  it('is refused when none has come, and its client sent to another connection', () => {
    const { rig } = twoCells();
    const waiting = rig.engine.request();
    const lost = rig.engine.request();
    rig.clock.advance(1100);
    const late = rig.engine.request();
    for (const { head } of [waiting, lost, late]) {
      expect(head).toMatchObject({ status: 503, closing: 'closed' });
      expect(head?.fields).toMatchObject({ 'retry-after': '1' });
    }
    expect(JSON.parse(late.body)).toMatchObject({ code: PROBLEMS.notReady.code });
    expect(rig.inFlight).toBe(0);
    rig.serve(0);
    rig.turn();
    const next = rig.engine.request();
    rig.turn();
    rig.worker.reply(rig.worker.readHead());
    rig.turn();
    expect(next.head).toMatchObject({ status: 200, closing: 'none' });
  });

  it.each([
    ['no other cell serves', false],
    ['the other cell has lost its own', true],
  ])('waits for any worker while %s', (_, hadServed) => {
    const { rig, other } = twoCells(hadServed);
    other.setFitness(FITNESS.strained);
    const socket = rig.engine.request();
    rig.clock.advance(4900);
    expect(socket.head).toBeNull();
    rig.clock.advance(200);
    expect(socket.head).toMatchObject({ status: 503, closing: 'none' });
  });
});
