/** The engine between uWebSockets.js, which is played, and a real acceptor with real lanes. */
import { describe, expect, it } from 'vitest';
import { AcceptorListener } from '../../../../src/acceptor/acceptor-listener.js';
import type { ReplyClosing } from '../../../../src/acceptor/client-engine.js';
import { uwsEngine } from '../../../../src/acceptor/uws/uws-engine.js';
import { UwsSocket } from '../../../../src/acceptor/uws/uws-socket.js';
import { systemClock } from '../../../../src/base/clock.js';
import { StartupError } from '../../../../src/base/startup-error.js';
import { WINDOW_BYTES } from '../../../../src/channel/lane.js';
import {
  FLAG_BODILESS,
  FLAG_END,
  RESPONSE_END,
  writeBare,
} from '../../../../src/channel/records/record-kind.js';
import { AcceptorRig } from '../../../support/acceptor-rig.js';
import { FakeUws, FakeUwsResponse } from '../../../support/fake-uws.js';
import { A_LISTENER, aListener } from '../../../support/listener-settings.js';

const HOST = ['host', 'a'] as const;
const NO_BYTES = new Uint8Array(0);

function aRig(takesChunked = true) {
  const uws = new FakeUws();
  const rig = new AcceptorRig({
    createEngine: uwsEngine(uws.asLibrary),
    settings: { takesChunked },
  });
  const request = (
    method: string,
    url: string,
    fields: readonly (readonly [string, string])[] = [HOST],
  ): FakeUwsResponse => {
    const res = new FakeUwsResponse();
    uws.request(res, method, url, fields);
    return res;
  };
  return { uws, rig, request };
}

/** A request that its worker has read, and the address of which it answers to. */
function aRead(method: string, fields: readonly (readonly [string, string])[] = [HOST]) {
  const { rig, request } = aRig();
  const res = request(method, '/a?b', fields);
  rig.turn();
  return { rig, res, worker: rig.worker, id: rig.worker.readHead() };
}

const CHUNKED = [HOST, ['transfer-encoding', 'chunked']] as const;

describe('the engine', () => {
  it('says where it listens, and that an address was taken', async () => {
    const { uws, rig } = aRig();
    await rig.opened;
    expect(rig.acceptor.listeners).toMatchObject([{ port: 8080 }]);
    rig.acceptor.stopListening();
    expect(uws.isListening).toBe(false);
    const engine = uwsEngine(uws.asLibrary)(rig.acceptor);
    const taken = new AcceptorListener(rig.acceptor, aListener('taken', 1), false);
    await expect(engine.open(taken)).rejects.toThrow(StartupError);
    const unix = { ...A_LISTENER, address: { kind: 'unix', path: '/run/a' } } as const;
    const strange = new AcceptorListener(rig.acceptor, unix, false);
    await expect(engine.open(strange)).rejects.toThrow('cannot listen on unix:/run/a');
    rig.acceptor.close();
    expect(uws.isClosed).toBe(true);
  });

  it('can carry neither trailers nor interim heads nor tunnels, and says so', () => {
    const socket = new UwsSocket(new FakeUwsResponse().asLibrary, systemClock);
    const nothing = { trailers: false, interimHeads: false, tunnels: false };
    expect(socket.capabilities).toMatchObject({ ...nothing, bodyTimer: false, lingers: true });
    expect(() => socket.sendTrailers()).toThrow('no trailers');
    expect(() => socket.sendInterim()).toThrow('one head');
  });

  it('closes a connection that is refused, and counts it out again', async () => {
    const { uws, rig } = aRig();
    await rig.opened;
    const connections = [new FakeUwsResponse(), new FakeUwsResponse()];
    for (const res of connections) uws.change(res, 1);
    // An address may have two.
    const refused = new FakeUwsResponse();
    uws.change(refused, 1);
    expect([...connections, refused].map(({ calls }) => calls)).toEqual([[], [], ['close']]);
    expect(rig.fullAddresses).toEqual(['192.0.2.1']);
    uws.change(refused, -1);
    expect(rig.acceptor.connectionFigures).toMatchObject({ open: 2, refusedOfAddress: 1 });
  });

  it('gives a request the place back whose body it cannot listen to', () => {
    const { uws, rig } = aRig();
    const res = new FakeUwsResponse();
    res.broken = 'onData';
    uws.request(res, 'POST', '/', CHUNKED);
    expect(rig.errors).toEqual([new Error('onData is broken')]);
    expect([res.calls, rig.inFlight]).toEqual([['close'], 0]);
  });

  it('brings a request and its body to a worker', () => {
    const { rig, res, worker } = aRead('POST', CHUNKED);
    res.sendData('hello');
    res.sendData('', true);
    rig.turn();
    expect(worker.readTexts()).toEqual(['body: hello', 'end']);
    res.leave();
    rig.turn();
    expect(worker.readTexts()).toEqual(['abort: left']);
    expect(rig.inFlight).toBe(0);
  });

  it('refuses chunked bodies where they are not allowed, and takes an empty one', () => {
    const { rig, request } = aRig(false);
    const full = request('POST', '/', CHUNKED);
    rig.turn();
    expect([full.status, rig.inFlight]).toEqual(['', 0]);
    full.sendData('{}');
    rig.turn();
    expect(full.status).toBe('411 Length Required');
    expect(rig.worker.read()).toEqual([]);
    full.sendData('', true);
    rig.turn();
    expect(full.calls).toEqual(['close']);
    const empty = request('GET', '/empty', CHUNKED);
    empty.sendData('', true);
    rig.turn();
    expect(rig.worker.readTexts()).toEqual(['head end: GET /empty']);
    const gone = request('GET', '/gone', CHUNKED);
    gone.sendData('', true);
    gone.leave();
    rig.turn();
    expect([rig.worker.read(), rig.inFlight, rig.errors]).toEqual([[], 1, []]);
  });

  it('refuses what the guard refuses, in a later turn, and closes behind it', () => {
    const { rig, request } = aRig();
    const res = request('GET', '/', []);
    expect(res.calls).toEqual([]);
    rig.turn();
    expect(res.status).toBe('400 Bad Request');
    expect(res.calls.join()).toMatch(/^end \{.*GW_.*\}\n close$/);
    const head = request('HEAD', '/', []);
    rig.turn();
    expect(head.calls).toEqual(['end  close']);
  });
});

describe('a reply', () => {
  it('that is whole goes out in one piece, its id and fields in one call', () => {
    const { rig, res, worker, id } = aRead('GET');
    worker.reply(id, 'hello');
    rig.turn();
    expect(res.status).toBe('200 OK');
    expect(res.fields).toEqual(['X-Request-Id: req-1']);
    expect(res.calls).toEqual(['end hello']);
  });

  it.each([
    [1234, ['X-Request-Id: req-1', 'Content-Length: 1234']],
    [-1, ['X-Request-Id: req-1']],
  ])('without a body by its nature says the length %d itself', (bodyBytes, fields) => {
    const { rig, res, worker, id } = aRead('HEAD');
    worker.head(id, { flags: FLAG_END | FLAG_BODILESS, bodyBytes });
    rig.turn();
    expect(res.fields).toEqual(fields);
    // With an argument the library would end the process.
    expect(res.calls).toEqual(['endWithoutBody 0']);
  });

  it('of unknown length goes out in pieces that fit the cork buffer, and ends by itself', () => {
    const { rig, res, worker, id } = aRead('GET');
    worker.head(id, { body: 'begin' });
    worker.body(id, Buffer.alloc(40_000));
    writeBare(worker.end.producer, RESPONSE_END, id.index, id.generation);
    rig.turn();
    expect(res.calls).toEqual(['write 5', 'write 15000', 'write 15000', 'write 10000', 'end ']);
    expect(rig.inFlight).toBe(0);
  });

  it('of unknown length waits for its client, and its end with it', () => {
    const { rig, res, worker, id } = aRead('GET');
    worker.head(id);
    rig.turn();
    res.hasRoom = false;
    worker.body(id, 'first');
    worker.body(id, 'second');
    writeBare(worker.end.producer, RESPONSE_END, id.index, id.generation);
    rig.turn();
    expect([res.calls, rig.inFlight]).toEqual([['write 5'], 1]);
    res.becomeWritable();
    expect(res.calls).toEqual(['write 5', 'write 6', 'end ']);
    expect(rig.inFlight).toBe(0);
  });

  it.each<[ReplyClosing, string[], string[]]>([
    ['none', [], ['tryEnd 4']],
    ['announced', ['Connection: close'], ['tryEnd 4']],
    // A write that fails would make the library read again: the pause comes just before the last.
    ['deaf', ['Connection: close'], ['pause', 'tryEnd 4']],
  ])('of known length, behind which the connection is %s', (closing, fields, calls) => {
    const res = new FakeUwsResponse();
    const socket = new UwsSocket(res.asLibrary, systemClock);
    socket.attach(LISTENER);
    const text = Buffer.from('id');
    const head = { status: 200, flags: 0, bodyBytes: 4, idBytes: 2, text, inlineBody: NO_BYTES };
    socket.sendHead(head, closing);
    socket.sendBody(Buffer.from('body'), true);
    expect(res.fields.slice(1)).toEqual(fields);
    expect(res.calls).toEqual(calls);
  });

  it('before the end of its upload is written as header lines, and the library reads on', () => {
    const { rig, res, worker, id } = aRead('POST', [HOST, ['content-length', '9']]);
    worker.reply(id, 'no');
    rig.turn();
    expect(res.fields).toHaveLength(1);
    expect(res.fields[0]).toMatch(
      /^X-Request-Id: req-1\r\nDate: .* GMT\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n$/,
    );
    expect([res.calls, rig.inFlight]).toEqual([[], 0]);
    res.sendData('rest', true);
    rig.turn();
    expect(res.calls).toEqual(['close']);
  });

  it('in pieces before the end of its upload ends with a trailer', () => {
    const { rig, res, worker, id } = aRead('POST', [HOST, ['content-length', '9']]);
    worker.head(id, { body: 'a' });
    writeBare(worker.end.producer, RESPONSE_END, id.index, id.generation);
    rig.turn();
    expect(res.fields).toEqual([
      'X-Request-Id: req-1',
      'Connection: close',
      '\r\n0\r\nX-Request-Id: req-1\r\n',
    ]);
    expect([res.calls, rig.inFlight]).toEqual([['write 1'], 0]);
  });

  it('that is cut off closes the connection, and the exchange ends once', () => {
    const { rig, res, worker, id } = aRead('GET');
    worker.head(id, { bodyBytes: 10, body: 'abc' });
    rig.turn();
    rig.dispatcher.detach(0);
    expect(res.calls).toEqual(['tryEnd 3', 'close']);
    expect([rig.inFlight, rig.errors]).toEqual([0, []]);
  });
});

const LISTENER = {
  isConversation: false,
  onData: () => {},
  onTrailers: () => {},
  onRefused: () => {},
  onSent: () => {},
  onDone: () => {},
  onAborted: () => {},
};

describe('a pause', () => {
  it('stops the client until there is a window again', () => {
    const { rig, res, worker, id } = aRead('POST', CHUNKED);
    res.sendData('x'.repeat(WINDOW_BYTES));
    res.sendData('yz');
    expect(res.calls).toEqual(['pause']);
    rig.turn();
    worker.read();
    worker.giveWindow(id, 2);
    rig.turn();
    expect(res.calls).toEqual(['pause', 'resume']);
  });

  it('waits while the reply waits for the client, and is made up for afterwards', () => {
    const { rig, res, worker, id } = aRead('POST', CHUNKED);
    worker.head(id);
    rig.turn();
    res.hasRoom = false;
    worker.body(id, 'stuck');
    rig.turn();
    res.sendData('x'.repeat(WINDOW_BYTES + 1));
    expect(res.calls).toEqual(['write 5']);
    res.becomeWritable();
    expect(res.calls).toEqual(['write 5', 'pause']);
    worker.giveWindow(id, 1);
    rig.turn();
    expect(res.calls).toEqual(['write 5', 'pause', 'resume']);
  });

  it('is over when the library writes again by itself: nothing is resumed then', () => {
    const { rig, res, worker, id } = aRead('POST', CHUNKED);
    worker.head(id);
    rig.turn();
    res.sendData('x'.repeat(WINDOW_BYTES + 1));
    expect(res.calls).toEqual(['pause']);
    res.hasRoom = false;
    worker.body(id, 'stuck');
    worker.giveWindow(id, 1);
    rig.turn();
    expect(res.calls).toEqual(['pause', 'write 5']);
  });
});

describe('the idle timer of the library', () => {
  const refresh = ['pause', 'resume'];

  function aSocket() {
    const res = new FakeUwsResponse();
    const socket = new UwsSocket(res.asLibrary, systemClock);
    socket.attach(LISTENER);
    return { res, socket };
  }

  it('begins anew while a body comes, and runs when nothing comes', () => {
    const { res, socket } = aSocket();
    socket.onData(Buffer.from('a'), false);
    socket.refresh();
    expect(res.calls).toEqual(refresh);
    socket.refresh();
    expect(res.calls).toEqual(refresh);
  });

  it('begins anew while the reply waits for the client', () => {
    const { res, socket } = aSocket();
    const head = { status: 200, flags: 0, bodyBytes: -1, idBytes: 0, text: NO_BYTES };
    socket.sendHead({ ...head, inlineBody: NO_BYTES }, 'none');
    res.hasRoom = false;
    socket.sendBody(Buffer.from('stuck'), false);
    socket.refresh();
    socket.refresh();
    expect(res.calls).toEqual(['write 5', ...refresh, ...refresh]);
  });

  it('is left alone while the connection is paused, or over', () => {
    const { res, socket } = aSocket();
    socket.onData(Buffer.from('a'), false);
    socket.pause();
    socket.refresh();
    expect(res.calls).toEqual(['pause']);
    socket.abort();
    socket.resume();
    socket.refresh();
    expect(res.calls).toEqual(['pause', 'close']);
  });
});
