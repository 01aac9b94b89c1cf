/**
 * What the connections of HTTP/2 to a target do with targets that misbehave, or that only do what
 * they may: limits of streams, GOAWAY, resets, windows, mistakes, silence.
 */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { field, NO_FIELDS } from '../../src/base/field-block.js';
import { PROBLEMS } from '../../src/base/problems.js';
import { WINDOW_BYTES } from '../../src/channel/lane.js';
import { SETTINGS_TIMEOUT } from '../../src/wire/http2/frame-kinds.js';
import { SETTINGS_ACK_MS } from '../../src/wire/http2/stream-connection.js';
import { StreamedBody } from '../../src/worker/exchange/streamed-body.js';
import { resetCodeOf } from '../../src/worker/upstream/http2-error.js';
import { failureCause } from '../../src/worker/upstream/upstream-error.js';
import { eventually } from '../support/eventually.js';
import type { Pair } from '../support/hpack-blocks.js';
import { frame, number32 } from '../support/http2-frames.js';
import { RawHttp2Origin, type RawHttp2Peer } from '../support/raw-http2-origin.js';
import { type Probe, type RigOptions, TransportRig } from '../support/transport-rig.js';

const STATUS: Pair = [':status', '200'];
const NO_ERROR = 0;
const CANCEL = 8;
const REFUSED_STREAM = 7;

let origin: RawHttp2Origin;
let rigs: TransportRig[] = [];

beforeEach(async () => {
  origin = await RawHttp2Origin.start();
});

afterEach(async () => {
  for (const rig of rigs) await rig.close();
  rigs = [];
  await origin.close();
});

function rigFor(options: RigOptions = {}): TransportRig {
  const rig = new TransportRig('h2c', origin.port, options);
  rigs.push(rig);
  return rig;
}

function settings(...values: readonly (readonly [id: number, value: number])[]): Buffer {
  const parts = values.flatMap(([id, value]) => [Buffer.from([0, id]), number32(value)]);
  return frame(4, 0, 0, Buffer.concat(parts));
}

async function arrived(count: number): Promise<void> {
  await eventually(`${count} requests are there`, () => origin.requests.length === count);
}

async function allOver(probes: readonly Probe[]): Promise<void> {
  await Promise.all(probes.map(({ over }) => over));
}

function statusesOf(probes: readonly Probe[]): number[] {
  return probes.map(({ status }) => status);
}

describe('streams', () => {
  it('share one connection up to its limit, then there is another one', async () => {
    origin.script = () => {};
    const rig = rigFor({ http2: { streamsMax: 5 } });
    const probes = Array.from({ length: 12 }, () => rig.send());
    await arrived(12);
    expect(origin.peers.map(({ requests }) => requests.length).sort()).toEqual([2, 5, 5]);
    for (const peer of origin.peers) for (const { id } of peer.requests) peer.reply(id);
    await allOver(probes);
    expect(statusesOf(probes)).toEqual(probes.map(() => 200));
    expect(rig.connectCount).toBe(3);
  });

  it('wait in their order when there may be no more connections', async () => {
    origin.greeting = settings([3, 1]);
    origin.script = () => {};
    const rig = rigFor({ http2: { connectionsMax: 1 } });
    const probes = ['/1', '/2', '/3'].map((path) => rig.send({ path }));
    for (let count = 1; count <= 3; count++) {
      await arrived(count);
      const request = origin.requests.at(-1);
      expect(request?.fields.get(':path')).toBe(`/${count}`);
      origin.peers[0]?.reply(request?.id ?? 0);
      await probes[count - 1]?.over;
    }
    expect(statusesOf(probes)).toEqual([200, 200, 200]);
    expect(origin.peers.length).toBe(1);
  });

  it('are not opened, nor other connections, while the target allows none', async () => {
    origin.greeting = settings([3, 0]);
    const rig = rigFor();
    const probes = [rig.send(), rig.send()];
    await eventually('it is connected', () => origin.peers.length === 1);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect([origin.requests.length, origin.peers.length]).toEqual([0, 1]);
    probes[1]?.attempt.abort();
    origin.peers[0]?.write(settings([3, 10]));
    await probes[0]?.over;
    expect(probes[0]?.status).toBe(200);
    // The one that nobody wanted any more was never sent.
    expect(origin.requests.length).toBe(1);
  });

  it('go to the connection with the fewest of them', async () => {
    origin.script = () => {};
    const rig = rigFor({ http2: { streamsMax: 2, connectionsMax: 2 } });
    const probes = Array.from({ length: 4 }, () => rig.send());
    await arrived(4);
    const [first, second] = origin.peers as [RawHttp2Peer, RawHttp2Peer];
    for (const { id } of first.requests) first.reply(id);
    await eventually('the first is free', () => probes.filter(({ isOver }) => isOver).length === 2);
    rig.send();
    await arrived(5);
    expect([first.requests.length, second.requests.length]).toEqual([3, 2]);
  });

  it('of which one is slow do not stop the others', async () => {
    const large = randomBytes(1 << 20);
    origin.script = (peer, { id, fields }) => {
      if (fields.get(':path') === '/fast') {
        peer.reply(id);
        return;
      }
      peer.write(peer.headFrame(id, [STATUS]));
      // As much as the window of the stream allows, and not a byte more.
      for (let at = 0; at < 256 * 1024; at += 16_384) {
        peer.write(frame(0, 0, id, large.subarray(at, at + 16_384)));
      }
    };
    const rig = rigFor();
    const slow = rig.send({ path: '/slow' });
    slow.wantsMore = false;
    await eventually('the first piece is there', () => slow.pieces.length > 0);
    for (let round = 0; round < 20; round++) {
      expect((await rig.exchange({ path: '/fast' })).status).toBe(200);
    }
    const [peer] = origin.peers;
    // Nothing of the slow one was credited but the piece that its reader has.
    expect(slow.pieces.length).toBe(1);
    expect(peer?.windows.get(1) ?? 0).toBe(0);
    slow.wantsMore = true;
    slow.attempt.resume();
    await eventually('it is credited', () => (peer?.windows.get(1) ?? 0) > 0);
    slow.attempt.abort();
    await eventually('it is reset', () => peer?.requests[0]?.resetCode === CANCEL);
  });
});

describe('GOAWAY', () => {
  it('lets finish what the target has seen, and sends the rest again, also a POST', async () => {
    origin.script = (peer, { id, fields }) => {
      if (peer !== origin.peers[0]) peer.reply(id, `again ${fields.get(':path')}`);
    };
    const rig = rigFor();
    const body = Buffer.from('payload');
    const probes = ['/1', '/2', '/3'].map((path) => rig.send({ path, method: 'POST', body }));
    await arrived(3);
    const [first] = origin.peers as [RawHttp2Peer];
    first.goAway(3);
    await probes[2]?.over;
    first.reply(1, 'first');
    first.reply(3, 'first');
    await allOver(probes);
    expect(probes.map((probe) => probe.body)).toEqual(['first', 'first', 'again /3']);
    await eventually('the old one is closed', () => first.isClosed);
    expect(origin.peers[1]?.requests[0]).toMatchObject({ body: 'payload', isWhole: true });
    expect(rig.connectCount).toBe(2);
  });

  it('in two steps loses nothing', async () => {
    origin.script = (peer, { id }) => {
      if (peer === origin.peers[0]) peer.goAway(2 ** 31 - 1);
      peer.reply(id);
    };
    const rig = rigFor();
    for (let round = 0; round < 5; round++) {
      expect((await rig.exchange()).status).toBe(200);
      origin.peers[0]?.goAway(1);
    }
    expect(origin.peers.length).toBe(2);
  });

  it('of every connection before any request is a failure, and not a loop', async () => {
    origin.greeting = Buffer.concat([
      frame(4, 0, 0),
      frame(7, 0, 0, Buffer.concat([number32(0), number32(11)])),
    ]);
    const probe = await rigFor().exchange();
    expect(probe.problem).toBe(PROBLEMS.upstreamReset);
    expect(probe.attempt.isSent).toBe(false);
    expect(origin.peers.length).toBeLessThan(3);
  });

  it('behind every request gives up after the second time, as not sent', async () => {
    origin.script = (peer) => peer.goAway(0, 11);
    const probe = await rigFor().exchange({ method: 'POST', body: Buffer.from('x') });
    expect(probe.problem).toBe(PROBLEMS.upstreamReset);
    expect([probe.attempt.isSent, origin.requests.length]).toEqual([false, 2]);
    expect(resetCodeOf(probe.error)).toBe(11);
  });

  it('with an error and then the end of the connection names both', async () => {
    origin.script = (peer, { id }) => {
      peer.goAway(id, 2);
      peer.socket.end();
    };
    const probe = await rigFor().exchange();
    expect([probe.problem, resetCodeOf(probe.error)]).toEqual([PROBLEMS.upstreamReset, 2]);
  });

  it('in the midst of a body lets it end', async () => {
    origin.script = (peer, { id }) => {
      peer.write(peer.headFrame(id, [STATUS]), frame(0, 0, id, 'a'));
      peer.goAway(id);
      peer.write(frame(0, 1, id, 'b'));
    };
    const rig = rigFor();
    expect((await rig.exchange()).body).toBe('ab');
    await eventually('it is closed', () => origin.peers[0]?.isClosed === true);
    origin.script = (peer, { id }) => peer.reply(id);
    expect((await rig.exchange()).body).toBe('ok');
  });
});

describe('a reset', () => {
  it.each([
    ['before the head', 0],
    ['behind the head', 1],
    ['in the body', 2],
  ])('%s is a failure, and the connection goes on', async (_when, steps) => {
    for (const code of [NO_ERROR, 2, CANCEL, 11, 99]) {
      origin.script = (peer, { id }) => {
        if (steps > 0) peer.write(peer.headFrame(id, [STATUS]));
        if (steps > 1) peer.write(frame(0, 0, id, 'o'));
        peer.reset(id, code);
        origin.script = (other, request) => other.reply(request.id);
      };
      const rig = rigFor();
      const probe = await rig.exchange();
      expect([probe.problem, resetCodeOf(probe.error)]).toEqual([PROBLEMS.upstreamReset, code]);
      expect(failureCause(probe.error)).toMatch(/^the target has reset the stream: /);
      // What a target says itself is no connection that went stale.
      expect([probe.lateCalls, probe.isLoss]).toEqual([0, false]);
      expect((await rig.exchange()).status).toBe(200);
      expect(rig.connectCount).toBe(1);
    }
  });

  it('behind the reply changes nothing, and ends the upload', async () => {
    origin.script = (peer, { id }) => {
      peer.reply(id);
      peer.reset(id, NO_ERROR);
    };
    const rig = rigFor();
    const body = new StreamedBody(-1, { onWanted: () => {}, giveWindow: () => {} });
    body.push(Buffer.from('abc'));
    const probe = await rig.exchange({ method: 'POST', body });
    expect([probe.status, probe.body, probe.lateCalls]).toEqual([200, 'ok', 0]);
    body.push(Buffer.from('later'));
    expect((await rig.exchange()).status).toBe(200);
    expect(rig.connectCount).toBe(1);
  });

  it('REFUSED_STREAM sends a POST once more, with all of its body, and then gives up', async () => {
    origin.onData = (peer, { id, isWhole }) => {
      if (isWhole) peer.reset(id, REFUSED_STREAM);
    };
    origin.script = () => {};
    const rig = rigFor();
    const probe = await rig.exchange({ method: 'POST', body: Buffer.from('payload') });
    expect(probe.problem).toBe(PROBLEMS.upstreamReset);
    expect([probe.attempt.isSent, resetCodeOf(probe.error)]).toEqual([false, REFUSED_STREAM]);
    expect(origin.requests.map(({ body }) => body)).toEqual(['payload', 'payload']);
  });

  it('REFUSED_STREAM sends a body that streams again while all of it is there', async () => {
    let refused = 0;
    origin.script = () => {};
    origin.onData = (peer, { id, body, isWhole }) => {
      if (refused === 0 && body.length >= 5) {
        refused++;
        peer.reset(id, REFUSED_STREAM);
      } else if (isWhole) {
        peer.reply(id, body);
      }
    };
    let credited = 0;
    const giveWindow = (bytes: number): void => {
      credited += bytes;
    };
    const body = new StreamedBody(-1, { onWanted: () => {}, giveWindow }, 64 * 1024);
    body.push(Buffer.from('hello'));
    const probe = rigFor().send({ method: 'POST', body });
    await eventually('it was refused', () => refused === 1);
    await arrived(2);
    body.push(Buffer.from(' world'));
    body.end(field('x-check', '1'));
    await probe.over;
    expect([probe.status, probe.body]).toEqual([200, 'hello world']);
    expect(origin.requests.at(-1)?.trailers).toEqual([['x-check', '1']]);
    expect(credited).toBeLessThanOrEqual('hello world'.length);
  });

  it('REFUSED_STREAM of a body that has grown too long is a failure of the request', async () => {
    origin.script = (peer, { id }) => {
      peer.write(frame(8, 0, id, number32(1 << 20)), frame(8, 0, 0, number32(1 << 20)));
    };
    origin.onData = (peer, { id, body }) => {
      if (body.length > 100_000) peer.reset(id, REFUSED_STREAM);
    };
    const source = { onWanted: () => {}, giveWindow: () => {} };
    const body = new StreamedBody(-1, source, 64 * 1024);
    for (let count = 0; count < 10; count++) body.push(randomBytes(16_384));
    const probe = await rigFor().exchange({ method: 'POST', body });
    expect(probe.problem).toBe(PROBLEMS.upstreamReset);
    expect([probe.attempt.isSent, origin.requests.length]).toEqual([true, 1]);
  });
});

describe('requests that are given up', () => {
  it('again and again move to another connection, before the target ends the first', async () => {
    origin.script = (peer, { id, fields }) => {
      if (fields.get(':path') === '/stays') peer.reply(id);
    };
    const rig = rigFor();
    for (let count = 50; count <= 250; count += 50) {
      const probes = Array.from({ length: 50 }, () => rig.send());
      await arrived(count);
      for (const probe of probes) probe.attempt.abort();
    }
    const [first] = origin.peers;
    expect(origin.peers.length).toBe(2);
    await eventually('the first is closed', () => first?.isClosed === true);
    expect(first?.requests.length).toBe(200);
    expect((await rig.exchange({ path: '/stays' })).status).toBe(200);
  });
});

describe('full duplex', () => {
  it('brings pieces of a reply while the request is still being sent', async () => {
    origin.script = (peer, { id }) => peer.write(peer.headFrame(id, [STATUS]));
    let seen = 0;
    origin.onData = (peer, { id, body, isWhole }) => {
      peer.write(frame(0, isWhole ? 1 : 0, id, body.slice(seen)));
      seen = body.length;
    };
    const body = new StreamedBody(-1, { onWanted: () => {}, giveWindow: () => {} });
    const probe = rigFor().send({ method: 'POST', body });
    for (const text of ['one', 'two', 'three']) {
      body.push(Buffer.from(text));
      await eventually(`${text} is back`, () => probe.body.endsWith(text));
      expect(probe.isOver).toBe(false);
    }
    body.end(field('x', 'y'));
    await probe.over;
    expect([probe.status, probe.body]).toEqual([200, 'onetwothree']);
  });

  it('stops the upload of a reply that is whole by NO_ERROR, and keeps the connection', async () => {
    const rig = rigFor();
    const body = new StreamedBody(-1, { onWanted: () => {}, giveWindow: () => {} });
    body.push(Buffer.from('abc'));
    const probe = await rig.exchange({ method: 'POST', body });
    expect([probe.status, probe.body]).toEqual([200, 'ok']);
    body.drop();
    await eventually('it is reset', () => origin.requests[0]?.resetCode === NO_ERROR);
    expect((await rig.exchange()).status).toBe(200);
    expect(rig.connectCount).toBe(1);
  });
});

describe('windows', () => {
  it('of the target are kept, also when they become negative', async () => {
    origin.greeting = settings([4, 1000]);
    origin.script = () => {};
    const content = randomBytes(3000);
    const body = Buffer.from(content);
    const probe = rigFor().send({ method: 'POST', body });
    await eventually('a window of it came', () => origin.requests[0]?.body.length === 1000);
    const [peer] = origin.peers as [RawHttp2Peer];
    peer.write(settings([4, 100]));
    // 900 below zero: 900 more make nothing of it.
    peer.write(frame(8, 0, 1, number32(900)));
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(origin.requests[0]?.body.length).toBe(1000);
    peer.write(frame(8, 0, 1, number32(5000)));
    await eventually('all of it came', () => origin.requests[0]?.isWhole === true);
    expect(Buffer.from(origin.requests[0]?.body ?? '', 'latin1').equals(content)).toBe(true);
    peer.reply(1);
    await probe.over;
    expect(probe.status).toBe(200);
  });

  it('of a target that opens none holds the client back, and nothing piles up', async () => {
    origin.greeting = settings([4, 0]);
    origin.script = () => {};
    let window = WINDOW_BYTES;
    const giveWindow = (bytes: number): void => {
      window += bytes;
    };
    const body = new StreamedBody(-1, { onWanted: () => {}, giveWindow });
    const rig = rigFor();
    const probe = rig.send({ method: 'POST', body });
    await arrived(1);
    while (window > 0) {
      body.push(Buffer.alloc(16_384));
      window -= 16_384;
    }
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect([window <= 0, origin.requests[0]?.body]).toEqual([true, '']);
    // Others are served meanwhile.
    origin.script = (peer, { id }) => peer.reply(id);
    expect((await rig.exchange()).status).toBe(200);
    probe.attempt.abort();
    await eventually('it is reset', () => origin.requests[0]?.resetCode === CANCEL);
  });

  it('that are opened a byte at a time get a body through', async () => {
    origin.greeting = settings([4, 0]);
    origin.script = (peer, { id }) => peer.write(frame(8, 0, id, number32(1)));
    origin.onData = (peer, { id, isWhole }) => {
      if (isWhole) peer.reply(id);
      else peer.write(frame(8, 0, id, number32(1)));
    };
    const probe = await rigFor().exchange({ method: 'POST', body: Buffer.from('x'.repeat(500)) });
    expect([probe.status, origin.requests[0]?.body.length]).toEqual([200, 500]);
  });
});

describe('a target that makes mistakes', () => {
  const OK = (peer: RawHttp2Peer, id: number): Buffer => peer.headFrame(id, [STATUS]);
  const mistakes: [string, string, (peer: RawHttp2Peer, id: number) => Buffer[]][] = [
    ['sends HTTP/1.1', 'a frame too large', () => [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')]],
    [
      'pushes',
      'a PUSH_PROMISE, which nobody has allowed',
      (_, id) => [frame(5, 4, id, number32(2))],
    ],
    [
      'sends DATA before the head',
      'DATA before the head of the reply',
      (_, id) => [frame(0, 1, id, 'x')],
    ],
    [
      'sends too much',
      'more than the Content-Length',
      (peer, id) => [peer.headFrame(id, [STATUS, ['content-length', '1']]), frame(0, 1, id, 'ab')],
    ],
    [
      'sends too little',
      'less than the Content-Length',
      (peer, id) => [peer.headFrame(id, [STATUS, ['content-length', '3']]), frame(0, 1, id, 'ab')],
    ],
    [
      'sends no HPACK',
      'an index that no entry has',
      (_, id) => [frame(1, 4, id, [0xff, 0xff, 0x01])],
    ],
    [
      'floods with settings',
      'a flood of settings',
      () => Array.from({ length: 3000 }, () => frame(4, 0, 0)),
    ],
    [
      'floods with pings',
      'a flood of pings',
      () => Array.from({ length: 3000 }, () => frame(6, 0, 0, '12345678')),
    ],
    [
      'floods with CONTINUATION',
      'a flood of header blocks in parts',
      (_, id) => [frame(1, 0, id), ...Array.from({ length: 3000 }, () => frame(9, 0, id))],
    ],
    [
      'says Connection',
      'a field of an HTTP/1.1 connection',
      (peer, id) => [peer.headFrame(id, [STATUS, ['connection', 'close']], true)],
    ],
  ];
  it.each(mistakes)('and %s: is named', async (_what, reason, frames) => {
    origin.script = (peer, { id }) => {
      peer.write(...frames(peer, id));
      origin.script = (other, request) => other.reply(request.id);
    };
    const rig = rigFor();
    const probe = await rig.exchange();
    expect(probe.problem).toBe(PROBLEMS.upstreamProtocol);
    expect(failureCause(probe.error)).toBe(`malformed reply: ${reason}`);
    expect(probe.lateCalls).toBe(0);
    expect((await rig.exchange()).status).toBe(200);
  });

  it('and overruns a window: is named', async () => {
    origin.script = (peer, { id }) => {
      peer.write(
        OK(peer, id),
        ...Array.from({ length: 17 }, () => frame(0, 0, id, Buffer.alloc(16_384))),
      );
    };
    const probe = rigFor().send();
    probe.wantsMore = false;
    await probe.over;
    expect(failureCause(probe.error)).toBe('malformed reply: more than the window allows');
  });

  it('in a head: a bomb of HPACK is a head too large', async () => {
    origin.script = (peer, { id }) => {
      const entry = peer.headFrame(id, [STATUS, ['x-bomb', 'x'.repeat(900)]]).subarray(9);
      const bomb = Buffer.concat([entry, Buffer.alloc(16_000, 0x80 | 62)]);
      peer.write(frame(1, 4, id, bomb.subarray(0, 16_384)));
      origin.script = (other, request) => other.reply(request.id);
    };
    const rig = rigFor();
    expect((await rig.exchange()).problem).toBe(PROBLEMS.upstreamHeadTooLarge);
    expect((await rig.exchange()).status).toBe(200);
  });

  it('takes all streams of its connection along, and only those', async () => {
    origin.script = () => {};
    const rig = rigFor({ http2: { streamsMax: 2 } });
    const probes = Array.from({ length: 4 }, () => rig.send());
    await arrived(4);
    const [first, second] = origin.peers as [RawHttp2Peer, RawHttp2Peer];
    first.write(frame(5, 4, 1, number32(2)));
    await eventually('it is told why', () => first.goAwayCode === 1);
    for (const { id } of second.requests) second.reply(id);
    await allOver(probes);
    const problems = probes.map(({ problem }) => problem?.code);
    expect(problems.filter((code) => code === PROBLEMS.upstreamProtocol.code).length).toBe(2);
    expect(problems.filter((code) => code === undefined).length).toBe(2);
  });
});

describe('a tunnel', () => {
  const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
  const CONNECT_ALLOWED = settings([8, 1]);

  function tunnelBody(): StreamedBody {
    return new StreamedBody(-1, { onWanted: () => {}, giveWindow: () => {} });
  }

  it('is opened by extended CONNECT, and moves bytes both ways', async () => {
    origin.greeting = CONNECT_ALLOWED;
    origin.script = (peer, { id }) => {
      peer.write(peer.headFrame(id, [STATUS, ['sec-websocket-protocol', 'chat']]));
    };
    origin.onData = (peer, { id, body }) => peer.write(frame(0, 0, id, body.slice(-3)));
    const body = tunnelBody();
    body.push(Buffer.from('one'));
    const probe = rigFor().send({ body, tunnelKey: KEY });
    await eventually('it is back', () => probe.body === 'one');
    expect([probe.status, probe.replyFields]).toEqual([101, '\r\nsec-websocket-protocol: chat']);
    const [request] = origin.requests;
    expect(Object.fromEntries(request?.fields ?? [])).toMatchObject({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/a?b=c',
      ':scheme': 'http',
    });
    for (const name of ['te', 'content-length', 'sec-websocket-key', 'upgrade']) {
      expect(request?.fields.has(name)).toBe(false);
    }
    body.push(Buffer.from('two'));
    await eventually('so is the second', () => probe.body === 'onetwo');
    expect(probe.isOver).toBe(false);
  });

  it.each(['the client', 'the target'])('half-closed by %s goes on the other way', async (who) => {
    origin.greeting = CONNECT_ALLOWED;
    origin.script = (peer, { id }) => {
      peer.write(peer.headFrame(id, [STATUS]));
      if (who === 'the target') peer.write(frame(0, 1, id, 'bye'));
    };
    const body = tunnelBody();
    const probe = rigFor().send({ body, tunnelKey: KEY });
    await eventually('it is open', () => probe.status === 101);
    const [request] = origin.requests;
    if (who === 'the target') {
      await eventually('the way down has ended', () => probe.body === 'bye');
      body.push(Buffer.from('late'));
      await eventually('the way up has not', () => request?.body === 'late');
      expect(probe.isOver).toBe(false);
      body.end(NO_FIELDS);
    } else {
      body.end(NO_FIELDS);
      await eventually('the way up has ended', () => request?.isWhole === true);
      expect(probe.isOver).toBe(false);
      origin.peers[0]?.write(frame(0, 1, 1, 'late'));
    }
    await probe.over;
    expect([probe.problem, probe.lateCalls, request?.resetCode]).toEqual([null, 0, -1]);
  });

  it('that is refused is a reply like others', async () => {
    origin.greeting = CONNECT_ALLOWED;
    origin.script = (peer, { id }) => peer.reply(id, 'no', '403');
    const body = tunnelBody();
    body.push(Buffer.from('unsent'));
    const probe = await rigFor().exchange({ body, tunnelKey: KEY });
    expect([probe.status, probe.body, origin.requests[0]?.body]).toEqual([403, 'no', '']);
  });

  it('is not asked for where the target does not allow it', async () => {
    const rig = rigFor();
    const probe = await rig.exchange({ body: tunnelBody(), tunnelKey: KEY });
    expect(probe.problem).toBe(PROBLEMS.tunnelNotTaken);
    expect([probe.attempt.isSent, origin.requests.length]).toEqual([false, 0]);
    expect((await rig.exchange()).status).toBe(200);
  });

  it('that its client gives up, or its target resets, ends so for the other', async () => {
    origin.greeting = CONNECT_ALLOWED;
    origin.script = (peer, { id }) => peer.write(peer.headFrame(id, [STATUS]));
    const rig = rigFor();
    const body = tunnelBody();
    const first = rig.send({ body, tunnelKey: KEY });
    await eventually('it is open', () => first.status === 101);
    body.drop();
    await eventually('it is reset', () => origin.requests[0]?.resetCode === CANCEL);
    const second = rig.send({ body: tunnelBody(), tunnelKey: KEY });
    await eventually('it is open', () => second.status === 101);
    origin.peers[0]?.reset(3, CANCEL);
    await second.over;
    expect(second.problem).toBe(PROBLEMS.upstreamReset);
  });
});

describe('a target that is silent', () => {
  it('and never sends settings cannot be connected to', async () => {
    origin.greeting = Buffer.alloc(0);
    const probe = await rigFor({ connectMs: 300 }).exchange();
    expect(probe.problem).toBe(PROBLEMS.connectTimeout);
    expect([probe.attempt.isSent, origin.requests.length]).toEqual([false, 0]);
  });

  /** A request that waits in vain for long enough, and is then given up. */
  async function askInVain(rig: TransportRig): Promise<void> {
    origin.script = () => {};
    const { length } = origin.requests;
    const probe = rig.send();
    await arrived(length + 1);
    const sinceMs = performance.now();
    await eventually('it has waited', () => performance.now() - sinceMs > 350);
    probe.attempt.abort();
    origin.script = (peer, { id }) => peer.reply(id);
  }

  it('is asked after a request was given up in vain, and left when it does not answer', async () => {
    origin.answersPings = false;
    const rig = rigFor({ connectMs: 300 });
    await rig.exchange();
    await askInVain(rig);
    // The next one does not wait for the answer.
    expect((await rig.exchange()).status).toBe(200);
    const [silent] = origin.peers;
    expect([silent?.requests.length, origin.peers.length]).toEqual([2, 2]);
    await eventually('it is left', () => silent?.isClosed === true);
    expect(silent?.pings).toBe(1);
  });

  it('and answers the PING is asked on', async () => {
    const rig = rigFor({ connectMs: 300 });
    await rig.exchange();
    await askInVain(rig);
    const [peer] = origin.peers;
    await eventually('it was asked', () => peer?.pings === 1);
    for (let round = 0; round < 3; round++) expect((await rig.exchange()).status).toBe(200);
    expect(peer?.pings).toBe(1);
  });

  it('is asked nothing for a request that was given up at once', async () => {
    origin.script = () => {};
    const rig = rigFor();
    for (let count = 1; count < 5; count++) {
      const probe = rig.send();
      await arrived(count);
      probe.attempt.abort();
    }
    expect([origin.peers.length, origin.peers[0]?.pings]).toEqual([1, 0]);
  });

  it('and never acknowledges the settings is left, and told why', async () => {
    origin.acksSettings = false;
    origin.script = () => {};
    const rig = rigFor();
    const probe = rig.send();
    await arrived(1);
    rig.skewMs = SETTINGS_ACK_MS;
    await probe.over;
    expect(probe.problem).toBe(PROBLEMS.upstreamProtocol);
    expect(String(probe.error)).toContain('it ignores SETTINGS');
    await eventually('it is told', () => origin.peers[0]?.goAwayCode === SETTINGS_TIMEOUT);
  });

  it('but has acknowledged the settings is asked on for any time', async () => {
    const rig = rigFor();
    await rig.exchange();
    rig.skewMs = 2 * SETTINGS_ACK_MS;
    origin.script = () => {};
    const probe = rig.send();
    await arrived(2);
    // A look at the connection passes.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect([origin.peers.length, origin.peers[0]?.goAwayCode, probe.isOver]).toEqual([
      1,
      -1,
      false,
    ]);
    probe.attempt.abort();
  });

  it('is asked in time where that is configured', async () => {
    origin.answersPings = false;
    origin.script = () => {};
    const rig = rigFor({ http2: { pingMs: 100, pongMs: 100 } });
    const probe = await rig.exchange();
    expect(probe.problem).toBe(PROBLEMS.upstreamReset);
    expect(origin.peers[0]?.pings).toBe(1);
  });
});

describe('the end', () => {
  it('of the pool lets streams finish, and closes', async () => {
    origin.script = () => {};
    const rig = rigFor();
    const probe = rig.send();
    await arrived(1);
    await rig.connections.close();
    const [peer] = origin.peers as [RawHttp2Peer];
    expect(peer.isClosed).toBe(false);
    peer.reply(1);
    await probe.over;
    expect(probe.status).toBe(200);
    await eventually('it is closed', () => peer.isClosed);
    expect(peer.goAwayCode).toBe(NO_ERROR);
  });

  it('of a connection with idempotent and other requests tells a loss from a refusal', async () => {
    origin.script = (peer, { id }) => peer.reply(id);
    const rig = rigFor();
    await rig.exchange();
    origin.script = (peer) => peer.socket.destroy();
    const probe = await rig.exchange({ method: 'POST', body: Buffer.from('x') });
    expect([probe.problem, probe.isLoss]).toEqual([PROBLEMS.upstreamReset, true]);
    expect(probe.attempt.isReused).toBe(true);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
