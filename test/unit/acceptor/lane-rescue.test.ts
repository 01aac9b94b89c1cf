import { describe, expect, it, vi } from 'vitest';
import type { Downstream } from '../../../src/acceptor/in-flight-table.js';
import { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import { systemClock } from '../../../src/base/clock.js';
import { type FieldBlock, NO_FIELDS } from '../../../src/base/field-block.js';
import {
  allocateLane,
  BODY_RECORD_BYTES_MAX,
  LANE_RING_BYTES,
  LaneEnd,
  type LaneMemory,
  WINDOW_UNIT_BYTES,
} from '../../../src/channel/lane.js';
import { trailerFields } from '../../../src/channel/records/field-records.js';
import {
  FLAG_END,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_TRAILERS,
} from '../../../src/channel/records/record-kind.js';
import {
  type NewRequest,
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
  requestExpectsContinue,
  requestHeadParts,
  requestListener,
  requestProtocol,
  requestReplyWindow,
  requestWantsTunnel,
} from '../../../src/channel/records/request-head.js';
import { writeResponseHead } from '../../../src/channel/records/response-head.js';

const PLAIN = {
  protocol: PROTOCOL_HTTP_1_1,
  listener: 0,
  expectsContinue: false,
  wantsTunnel: false,
} as const;

const RULE = { inFlightMax: 200, depthMax: 100, waitMsMax: 1000 };
const GET = 'GET\n/a\n::1\nhttp';
const POST = 'POST\n/b\n::1\nhttp';

class Client implements Downstream {
  readonly heard: string[] = [];
  constructor(readonly rerun: NewRequest | null = null) {}
  onResponseHead(): void {
    this.heard.push('head');
  }
  onResponseBody(): void {}
  onResponseEnd(): void {}
  onResponseTrailers(): void {}
  onResponseInterim(): void {}
  onConversation(): void {}
  onTunnelBytes(): void {}
  onTunnelEnd(): void {}
  onResponseAbort(): void {}
  onWindow(): void {}
  takeRerun(): NewRequest | null {
    return this.rerun;
  }
  onLaneLost(): void {
    this.heard.push('lost');
  }
  onLook(): void {}
  onBroken(error: unknown): void {
    throw error;
  }
  onUnserved(): void {
    this.heard.push('unserved');
  }
}

/** A dispatcher whose workers are played by the test. */
class Rig {
  /** Beside the time that passes. */
  nowMs = 0;
  readonly dispatcher: LaneDispatcher;
  readonly memories: LaneMemory[] = [];
  readonly workers: LaneEnd[] = [];

  constructor(lanes: number, ringBytes?: number) {
    const fail = (error: unknown): void => {
      throw error;
    };
    this.dispatcher = new LaneDispatcher(lanes, RULE, fail, {
      ...systemClock,
      nowMs: () => this.nowMs + performance.now(),
    });
    for (let lane = 0; lane < lanes; lane++) this.serve(lane, ringBytes);
  }

  serve(lane: number, ringBytes?: number): void {
    const memory = allocateLane(ringBytes);
    const port = { postMessage: () => {} };
    this.memories[lane] = memory;
    this.workers[lane] = new LaneEnd(memory, 'worker', port);
    this.dispatcher.attach(lane, memory, port);
  }

  send(client: Downstream, text = GET, bodyBytes = 0, more: Partial<NewRequest> = {}): number {
    return this.dispatcher.trySend({ ...PLAIN, receivedMs: 1, bodyBytes, text, ...more }, client);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve));
  }

  /** What the worker of a lane finds: targets of heads, bytes of bodies, and their ends. */
  async read(lane: number): Promise<string[]> {
    await this.turn();
    const found: string[] = [];
    const worker = this.workers[lane];
    worker?.drain({
      onRecord: (kind, flags) => {
        if (kind === REQUEST_HEAD) found.push(requestHeadParts(worker.consumer)[1] ?? '');
        if (kind === REQUEST_TRAILERS) found.push(`trailers ${trailerFields(worker.consumer)}`);
        if (kind === REQUEST_END) found.push('end');
        if (kind === REQUEST_BODY) {
          const { payload, payloadBytes, sharedBytes } = worker.consumer;
          const text = sharedBytes.toString('latin1', payload, payload + payloadBytes);
          found.push(`${text} (${flags})`);
        }
      },
    });
    return found;
  }
}

/** As much of a body as may wait. */
function fill({ dispatcher }: Rig, index: number): void {
  const piece = Buffer.alloc(BODY_RECORD_BYTES_MAX, 'x');
  for (let bytes = 0; bytes < LANE_RING_BYTES; bytes += piece.length) {
    dispatcher.sendBody(index, piece, false);
  }
}

describe('a request whose worker died', () => {
  it('moves on when the worker had not touched it, whatever its method', async () => {
    const rig = new Rig(2);
    const client = new Client();
    const index = rig.send(client, POST, 6);
    rig.dispatcher.sendBody(index, Buffer.from('abc'), false);
    rig.dispatcher.detach(0);
    rig.dispatcher.sendBody(index, Buffer.from('def'), true);
    expect(await rig.read(1)).toEqual(['/b', 'abc (0)', 'def (1)']);
    expect(client.heard).toEqual([]);
    expect(rig.dispatcher.movedRequests).toBe(1);
    expect(rig.dispatcher.figures().map(({ inFlight }) => inFlight)).toEqual([0, 1]);
  });

  it('is lost when the worker had it and it cannot run again', async () => {
    const rig = new Rig(2);
    const client = new Client();
    rig.send(client, POST);
    await rig.read(0);
    rig.dispatcher.detach(0);
    expect(await rig.read(1)).toEqual([]);
    expect(client.heard).toEqual(['lost']);
  });

  it('runs again when that is safe, and the next reply is its own', async () => {
    const rig = new Rig(2);
    const client = new Client({ ...PLAIN, receivedMs: 1, bodyBytes: 0, text: GET });
    rig.send(client);
    await rig.read(0);
    rig.dispatcher.detach(0);
    expect(await rig.read(1)).toEqual(['/a']);
    expect(client.heard).toEqual([]);
  });

  it('has the reply that its worker published before it died, and does not run again', async () => {
    const rig = new Rig(2);
    const client = new Client({ ...PLAIN, receivedMs: 1, bodyBytes: 0, text: GET });
    const index = rig.send(client);
    client.onResponseHead = () => {
      client.heard.push('reply');
      rig.dispatcher.finish(index, 'replied');
    };
    await rig.read(0);
    const worker = rig.workers[0];
    if (worker === undefined) throw new Error('no worker');
    const id = { index, generation: rig.dispatcher.table.generationOf(index) };
    const head = {
      ...id,
      flags: FLAG_END,
      status: 200,
      bodyBytes: 2,
      requestId: '',
      block: NO_FIELDS,
    };
    writeResponseHead(worker.producer, head, Buffer.from('ok'));
    worker.publish();
    rig.dispatcher.detach(0);
    expect(client.heard).toEqual(['reply']);
    expect(await rig.read(1)).toEqual([]);
    expect(rig.dispatcher.movedRequests).toBe(0);
  });

  it('does not run again when the worker was just at it', async () => {
    const rig = new Rig(2);
    const again = { ...PLAIN, receivedMs: 1, bodyBytes: 0, text: GET };
    const [earlier, suspect, later] = [new Client(again), new Client(again), new Client()];
    const ends = [earlier, suspect, later].map((client) => {
      rig.send(client);
      // All on lane 0: the other one is busier.
      rig.send(new Client());
      return client;
    });
    await new Promise((resolve) => setImmediate(resolve));
    // The thread ends within the second record: the ring never hears that the batch is done.
    const worker = rig.workers[0];
    const store = vi.spyOn(Atomics, 'store').mockImplementation((_array, _at, value) => value);
    let count = 0;
    expect(() =>
      worker?.drain({
        onRecord: () => {
          count++;
          if (count === 2) throw new Error('the end of the thread');
        },
      }),
    ).toThrow('the end of the thread');
    store.mockRestore();
    rig.dispatcher.detach(0);
    expect(ends.map(({ heard }) => heard)).toEqual([[], ['lost'], []]);
    expect(rig.dispatcher.movedRequests).toBe(2);
  });

  it('waits for the next worker where there is no other lane, in order', async () => {
    const rig = new Rig(1);
    const clients = [new Client(), new Client()];
    clients.forEach((client, at) => {
      rig.send(client, `GET\n/${at}\n::1\nhttp`);
    });
    rig.dispatcher.detach(0);
    const fresh = new Client();
    expect(rig.send(fresh, 'GET\n/fresh\n::1\nhttp')).not.toBe(-1);
    expect(rig.dispatcher.table.inFlight).toBe(3);
    rig.serve(0);
    expect(await rig.read(0)).toEqual(['/0', '/1', '/fresh']);
    expect(rig.dispatcher.figures()[0]?.inFlight).toBe(3);
    expect(rig.dispatcher.movedRequests).toBe(2);
  });

  it('waits with all that its head says', async () => {
    const rig = new Rig(1);
    rig.dispatcher.detach(0);
    const replyWindow = 4 * WINDOW_UNIT_BYTES;
    const said = { ...PLAIN, protocol: PROTOCOL_HTTP_2, listener: 3, replyWindow };
    rig.send(new Client(), POST, -1, { ...said, expectsContinue: true, wantsTunnel: true });
    rig.serve(0);
    await rig.turn();
    const found: unknown[] = [];
    const worker = rig.workers[0];
    worker?.drain({
      onRecord: () => {
        const { consumer: head } = worker;
        found.push(requestProtocol(head), requestListener(head), requestReplyWindow(head));
        found.push(requestExpectsContinue(head), requestWantsTunnel(head));
      },
    });
    expect(found).toEqual([PROTOCOL_HTTP_2, 3, replyWindow, true, true]);
  });

  it('waits with a body of its own: the memory of the dead lane is used again meanwhile', async () => {
    const rig = new Rig(1);
    const index = rig.send(new Client(), POST, 6);
    rig.dispatcher.sendBody(index, Buffer.from('abcdef'), true);
    rig.dispatcher.detach(0);
    const [memory] = rig.memories;
    if (memory === undefined) throw new Error('the lane has memory');
    new Uint8Array(memory.buffer).fill(0x21);
    rig.serve(0);
    expect(await rig.read(0)).toEqual(['/b', 'abcdef (1)']);
  });

  it('that left while it waited is not sent', async () => {
    const rig = new Rig(1);
    const index = rig.send(new Client());
    rig.dispatcher.detach(0);
    rig.dispatcher.finish(index, 'aborted');
    rig.serve(0);
    expect(await rig.read(0)).toEqual([]);
    expect(rig.dispatcher.table.inFlight).toBe(0);
  });

  it('waits with half of a body, and what comes meanwhile follows it', async () => {
    const rig = new Rig(1);
    const index = rig.send(new Client(), POST, 6);
    rig.dispatcher.sendBody(index, Buffer.from('abc'), false);
    rig.dispatcher.detach(0);
    const fresh = rig.send(new Client(), 'POST\n/fresh\n::1\nhttp', -1);
    const piece = Buffer.from('gh');
    rig.dispatcher.sendBody(fresh, piece, false);
    piece.fill('!');
    rig.dispatcher.sendTrailers(fresh, 'x-sum: 1\n' as FieldBlock);
    rig.dispatcher.sendBody(index, Buffer.from('def'), true);
    const ended = rig.send(new Client(), 'POST\n/ended\n::1\nhttp', -1);
    rig.dispatcher.sendEnd(ended);
    rig.serve(0);
    expect(await rig.read(0)).toEqual([
      ...['/b', 'abc (0)', 'def (1)'],
      ...['/fresh', 'gh (0)', 'trailers x-sum: 1\n', '/ended', 'end'],
    ]);
    // The others are not known to any worker before.
    expect(rig.dispatcher.movedRequests).toBe(1);
  });

  it('does not wait with more of bodies than a lane would take; room comes back', async () => {
    const rig = new Rig(1);
    rig.dispatcher.detach(0);
    const [first, second] = [new Client(), new Client()];
    const half = Buffer.alloc(LANE_RING_BYTES / 2, 'x');
    const indexes = [first, second].map((client) => rig.send(client, POST, 1e9));
    for (const index of indexes) rig.dispatcher.sendBody(index, half, false);
    await rig.turn();
    expect([first.heard, second.heard]).toEqual([[], []]);
    rig.dispatcher.sendBody(indexes[1] ?? -1, Buffer.from('y'), false);
    // It is in the midst of its upload: it hears of it in another turn.
    expect(second.heard).toEqual([]);
    await rig.turn();
    expect([first.heard, second.heard]).toEqual([[], ['unserved']]);
    // The first one leaves: a third may wait with as much.
    rig.dispatcher.finish(indexes[0] ?? -1, 'aborted');
    const third = new Client();
    const index = rig.send(third, POST, 1e9);
    rig.dispatcher.sendBody(index, half, false);
    rig.dispatcher.sendBody(index, half, true);
    await rig.turn();
    expect(third.heard).toEqual([]);
  });

  it('does not wait with more parts than memory is taken for, however small they are', async () => {
    const rig = new Rig(1);
    rig.dispatcher.detach(0);
    const client = new Client();
    const index = rig.send(client, POST, 1e9);
    const byte = Buffer.from('x');
    for (let part = 0; part < LANE_RING_BYTES / 256; part++) {
      rig.dispatcher.sendBody(index, byte, false);
    }
    await rig.turn();
    expect(client.heard).toEqual([]);
    rig.dispatcher.sendBody(index, byte, false);
    await rig.turn();
    expect(client.heard).toEqual(['unserved']);
  });

  it('waits again with as much when the next worker dies before it has begun', () => {
    const rig = new Rig(1);
    rig.dispatcher.detach(0);
    const client = new Client();
    const index = rig.send(client, POST, LANE_RING_BYTES);
    fill(rig, index);
    for (let lives = 0; lives < 2; lives++) {
      rig.serve(0);
      rig.dispatcher.detach(0);
    }
    expect([client.heard, rig.dispatcher.movedRequests]).toEqual([[], 1]);
  });

  it('does not wait with what its dead lane had where others wait with as much', () => {
    const rig = new Rig(2);
    const [first, second] = [new Client(), new Client()];
    for (const client of [first, second]) fill(rig, rig.send(client, POST, LANE_RING_BYTES));
    rig.dispatcher.suspend(1);
    rig.dispatcher.detach(0);
    rig.dispatcher.detach(1);
    expect([first.heard, second.heard]).toEqual([[], ['unserved']]);
  });

  it('hears in the end that no worker came', async () => {
    vi.useFakeTimers();
    try {
      const rig = new Rig(1);
      const clients = Array.from({ length: 4 }, () => new Client());
      const heard = (): number[] => clients.map((client) => client.heard.length);
      const [untouched, ...fresh] = clients;
      if (untouched === undefined) throw new Error('there are clients');
      rig.send(untouched);
      rig.dispatcher.detach(0);
      for (const client of fresh) {
        rig.send(client);
        await vi.advanceTimersByTimeAsync(100);
      }
      await vi.advanceTimersByTimeAsync(4699);
      expect(heard()).toEqual([0, 0, 0, 0]);
      // Each waits for as long as any other.
      await vi.advanceTimersByTimeAsync(50);
      expect(heard()).toEqual([1, 1, 0, 0]);
      await vi.advanceTimersByTimeAsync(100);
      expect(heard()).toEqual([1, 1, 1, 0]);
      await vi.advanceTimersByTimeAsync(100);
      expect(clients.flatMap((client) => client.heard)).toEqual(Array(4).fill('unserved'));
    } finally {
      vi.useRealTimers();
    }
  });

  it('that takes the place of one that leaves meanwhile waits on', async () => {
    vi.useFakeTimers();
    try {
      const rig = new Rig(1);
      rig.dispatcher.detach(0);
      const [first, second, next] = [new Client(), new Client(), new Client()];
      rig.send(first);
      const index = rig.send(second);
      first.onUnserved = () => {
        rig.dispatcher.finish(index, 'aborted');
        expect(rig.send(next, 'GET\n/next\n::1\nhttp')).toBe(index);
      };
      await vi.advanceTimersByTimeAsync(5001);
      expect([second.heard, next.heard]).toEqual([[], []]);
      vi.useRealTimers();
      rig.serve(0);
      expect(await rig.read(0)).toEqual(['/next']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is found behind a full ring too', async () => {
    const rig = new Rig(2, 4096);
    const client = new Client();
    const index = rig.send(client, POST, 9000);
    for (let piece = 0; piece < 9; piece++) {
      rig.dispatcher.sendBody(index, Buffer.alloc(1000, 97 + piece), piece === 8);
    }
    rig.serve(1);
    rig.dispatcher.detach(0);
    const found = await rig.read(1);
    expect(found[0]).toBe('/b');
    expect(found.slice(1).map((text) => text[0])).toEqual([...'abcdefghi']);
    expect(found.at(-1)).toContain('(1)');
  });
});

describe('a lane whose worker hangs', () => {
  it('gets no more requests, and keeps those it has until it has ended', async () => {
    const rig = new Rig(2);
    const client = new Client();
    rig.send(client);
    rig.dispatcher.suspend(0);
    for (let count = 0; count < 3; count++) rig.send(new Client());
    expect(await rig.read(1)).toHaveLength(3);
    expect(rig.dispatcher.servedLanes).toBe(1);
    expect(client.heard).toEqual([]);
  });

  it('gets those that waited when it is heard of again, however long it was silent', async () => {
    const rig = new Rig(1);
    rig.send(new Client(), 'GET\n/before\n::1\nhttp');
    await rig.turn();
    rig.nowMs = 5000;
    rig.dispatcher.suspend(0);
    const waiting = new Client();
    expect(rig.send(waiting, 'GET\n/waited\n::1\nhttp')).not.toBe(-1);
    expect(await rig.read(0)).toEqual(['/before']);
    rig.dispatcher.resume(0);
    expect(rig.dispatcher.servedLanes).toBe(1);
    expect(await rig.read(0)).toEqual(['/waited']);
    expect(waiting.heard).toEqual([]);
    expect(rig.dispatcher.movedRequests).toBe(0);
  });

  it('gets them though it was full when it fell silent: it has read that since', async () => {
    const rig = new Rig(1);
    for (let count = 0; count < RULE.depthMax - 1; count++) rig.send(new Client());
    await rig.turn();
    rig.dispatcher.suspend(0);
    const clients = [new Client(), new Client()];
    for (const client of clients) rig.send(client);
    rig.workers[0]?.status.setHeadsRead(RULE.depthMax - 1);
    rig.dispatcher.resume(0);
    expect(clients.map(({ heard }) => heard)).toEqual([[], []]);
  });

  it('is not served again by news of one that has ended', () => {
    const rig = new Rig(1);
    rig.dispatcher.suspend(0);
    // The gateway is ready all the while.
    expect([rig.dispatcher.servedLanes, rig.dispatcher.attendedLanes]).toEqual([0, 1]);
    rig.dispatcher.detach(0);
    rig.dispatcher.resume(0);
    expect([rig.dispatcher.servedLanes, rig.dispatcher.attendedLanes]).toEqual([0, 0]);
  });

  it('that never ends gives its requests up, and moves none', () => {
    const rig = new Rig(2);
    const client = new Client({ ...PLAIN, receivedMs: 1, bodyBytes: 0, text: GET });
    rig.send(client);
    rig.dispatcher.suspend(0);
    rig.dispatcher.abandon(0);
    expect(client.heard).toEqual(['lost']);
    expect(rig.dispatcher.movedRequests).toBe(0);
  });
});
