/**
 * The reply path through a whole worker: stages that exist for these tests only, between targets
 * that are played and a client on a real lane, under a clock that is moved.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { type FieldBlock, field, NO_FIELDS } from '../../../../src/base/field-block.js';
import { WINDOW_BYTES } from '../../../../src/channel/lane.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import {
  ReplyStage,
  type StageHead,
  type StageSource,
} from '../../../../src/filters/reply-stage.js';
import { requestCounter } from '../../../../src/observability/counters.js';
import { WorkerRig } from '../../../support/worker-rig.js';

/** What the routes of a worker get that begins while they stand here. */
const stages = vi.hoisted((): StageSource[] => []);
vi.mock('../../../../src/worker/route/route-stages.js', () => ({ stagesOf: () => [...stages] }));

const CONFIG: GatewayConfig = {
  upstreams: {
    api: {
      targets: [{ url: 'http://127.0.0.1:8001' }, { url: 'http://127.0.0.1:8002' }],
      timeouts: { response: '2s', idle: '3s' },
      retry: { attempts: 1, on: ['reset'] },
    },
    calls: { targets: [{ url: 'http://127.0.0.1:8003' }], protocol: 'h2c' },
  },
  routes: [
    { name: 'api', match: { path: '/api/*' }, upstream: 'api' },
    {
      name: 'limited',
      match: { path: '/limited' },
      upstream: 'api',
      rateLimit: { limit: 1, window: '1h' },
    },
    {
      name: 'call',
      match: { path: '/shop.Orders/*' },
      upstream: 'calls',
      grpcWeb: true,
    },
    { name: 'hello', match: { path: '/hello' }, respond: { status: 200, body: 'hello' } },
  ],
};

async function aWorker(...makers: readonly ((head: StageHead) => ReplyStage | null)[]) {
  stages.length = 0;
  for (const make of makers) stages.push({ open: (_, head) => make(head) });
  return await WorkerRig.create(CONFIG);
}

beforeEach(() => {
  stages.length = 0;
});

/** A worker with these stages, and a client whose request has reached a target. */
async function aReply(...makers: readonly ((head: StageHead) => ReplyStage | null)[]) {
  const rig = await aWorker(...makers);
  const client = rig.request({ path: '/api/a' });
  return { rig, client, target: rig.lastTry };
}

describe('a reply without stages', () => {
  it('goes out as one record when all of it has come at once', async () => {
    const { rig, client, target } = await aReply();
    target.head(200, 5, field('X-A', '1'));
    target.data('hello', true);
    rig.settle();
    expect(client).toMatchObject({ status: 200, bodyBytes: 5, body: 'hello', isEnded: true });
    expect(client.records).toBe(1);
    expect(client.fields).toContain('X-A: 1');
    expect(rig.inFlight).toBe(0);
  });

  it('goes out piece by piece, and ends when its target says so', async () => {
    const { rig, client, target } = await aReply();
    target.head(200, -1, NO_FIELDS);
    rig.settle();
    expect(client).toMatchObject({ status: 200, body: '', isEnded: false });
    target.data('a');
    target.data('b');
    rig.settle();
    expect(client).toMatchObject({ body: 'ab', isEnded: false });
    target.end();
    rig.settle();
    expect(client).toMatchObject({ body: 'ab', isEnded: true });
    expect(rig.inFlight).toBe(0);
  });

  it('keeps the length that HEAD asks for', async () => {
    const rig = await aWorker();
    const client = rig.request({ path: '/api/a', method: 'HEAD' });
    rig.lastTry.head(200, 4711, NO_FIELDS);
    rig.lastTry.end();
    rig.settle();
    expect(client).toMatchObject({ status: 200, bodyBytes: 4711, isEnded: true, records: 1 });
  });

  it('holds its target back while the client reads nothing', async () => {
    const { rig, client, target } = await aReply();
    target.head(200, -1, NO_FIELDS);
    for (let sent = 0; !target.isPaused; sent += 65_536) {
      expect(sent).toBeLessThanOrEqual(WINDOW_BYTES);
      target.data('x'.repeat(65_536));
    }
    rig.settle();
    expect(target.isPaused).toBe(true);
    client.read(1);
    rig.settle();
    expect(target.isPaused).toBe(true);
    client.read(WINDOW_BYTES / 2);
    rig.settle();
    expect(target.isPaused).toBe(false);
  });

  it('is cut off when its target breaks off, and when neither side moves any more', async () => {
    for (const end of ['reset', 'idle']) {
      const { rig, client, target } = await aReply();
      target.head(200, 10, NO_FIELDS);
      target.data('half');
      rig.settle();
      if (end === 'reset') target.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      else rig.advance(3100);
      rig.settle();
      expect(client, end).toMatchObject({ body: 'half', isEnded: false, isCut: true });
    }
  });
});

/** Hands everything on after a while, in order. */
class Delay extends ReplyStage {
  private done: Promise<void> = Promise.resolve();

  constructor(private readonly wait: () => Promise<void>) {
    super();
  }

  private queue(step: () => void): void {
    this.done = this.done.then(this.wait);
    this.after(this.done, step);
  }

  override head(head: StageHead): void {
    this.queue(() => this.next.head(head));
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    const kept = Buffer.from(bytes);
    this.queue(() => {
      this.next.data(kept, isLast);
      if (!isLast) this.resumeSource();
    });
    return false;
  }

  override trailers(fields: FieldBlock): void {
    this.queue(() => this.next.trailers(fields));
  }

  override end(): void {
    this.queue(() => this.next.end());
  }
}

describe('a stage that delays', () => {
  let waiting: (() => void)[] = [];
  const wait = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
  beforeEach(() => {
    waiting = [];
  });

  /** Lets the oldest step go on. */
  const step = async (rig: WorkerRig): Promise<void> => {
    await Promise.resolve();
    waiting.shift()?.();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    rig.settle();
  };

  it('lets the target go before the client has the reply, and the exchange last', async () => {
    const { rig, client, target } = await aReply(() => new Delay(wait));
    target.head(200, 5, NO_FIELDS);
    target.data('hello', true);
    rig.settle();
    expect(client.isWaiting).toBe(true);
    await step(rig);
    expect(client).toMatchObject({ status: 200, isEnded: false });
    await step(rig);
    expect(client).toMatchObject({ body: 'hello', isEnded: true });
  });

  it('makes its target wait, and go on', async () => {
    const { rig, client, target } = await aReply(() => new Delay(wait));
    target.head(200, -1, NO_FIELDS);
    await step(rig);
    target.data('one ');
    expect(target.isPaused).toBe(true);
    await step(rig);
    expect(target.isPaused).toBe(false);
    target.data('two');
    target.end();
    await step(rig);
    await step(rig);
    expect(client).toMatchObject({ body: 'one two', isEnded: true });
  });

  it('hands nothing on for a client that has left', async () => {
    const { rig, client, target } = await aReply(() => new Delay(wait));
    target.head(200, 5, NO_FIELDS);
    client.leave();
    rig.settle();
    expect(target.isAborted).toBe(true);
    await step(rig);
    expect(client.isWaiting).toBe(true);
    expect(rig.errors).toEqual([]);
  });

  it('keeps replies of the gateway as well', async () => {
    const rig = await aWorker(() => new Delay(wait));
    const client = rig.request({ path: '/hello' });
    expect(client.isWaiting).toBe(true);
    await step(rig);
    await step(rig);
    expect(client).toMatchObject({ status: 200, body: 'hello', isEnded: true });
  });

  it('is no part of the next try when the first one fails in it', async () => {
    const { rig, client, target } = await aReply(() => new Delay(wait));
    target.head(200, 5, NO_FIELDS);
    target.data('he');
    target.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    rig.advance(1000);
    const second = rig.lastTry;
    expect(second.port).not.toBe(target.port);
    second.head(201, 2, NO_FIELDS);
    // The head of the first try comes out of its stage late.
    await step(rig);
    expect(client.isWaiting).toBe(true);
    await step(rig);
    second.data('ok', true);
    await step(rig);
    await step(rig);
    expect(client).toMatchObject({ status: 201, body: 'ok', isEnded: true });
  });
});

/** Writes every byte twice. */
class Double extends ReplyStage {
  override head(head: StageHead): void {
    if (head.bodyBytes !== -1) head.bodyBytes *= 2;
    this.next.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    const twice = [...bytes.toString()].map((one) => one + one).join('');
    return this.next.data(Buffer.from(twice), isLast);
  }
}

/** Ends each reply with a field of its own. */
class Count extends ReplyStage {
  private bytes = 0;

  override head(head: StageHead): void {
    head.bodyBytes = -1;
    this.next.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    this.bytes += bytes.length;
    const goesOn = this.next.data(bytes, false);
    if (isLast) this.end();
    return goesOn;
  }

  override end(): void {
    this.next.trailers(field('X-Bytes', String(this.bytes)));
  }
}

describe('a stage that changes the length', () => {
  it('says so in the head, for targets and for the gateway', async () => {
    const { rig, client, target } = await aReply(() => new Double());
    target.head(200, 3, NO_FIELDS);
    target.data('abc', true);
    rig.settle();
    expect(client).toMatchObject({ bodyBytes: 6, body: 'aabbcc', isEnded: true, records: 1 });
    const other = rig.request({ path: '/hello' });
    expect(other).toMatchObject({ bodyBytes: 10, body: 'hheelllloo', isEnded: true });
  });

  it('leaves the fields of a refusal as they are', async () => {
    const rig = await aWorker(() => new Double());
    rig.request({ path: '/limited' });
    const refused = rig.request({ path: '/limited' });
    expect(refused).toMatchObject({ status: 429, isEnded: true });
    expect(refused.fields.match(/\r\nRateLimit:/g)).toHaveLength(1);
    expect(refused.bodyBytes).toBe(refused.body.length);
  });

  it('stands before another one, and each does its part', async () => {
    const { rig, client, target } = await aReply(
      () => new Double(),
      () => new Count(),
    );
    target.head(200, 3, NO_FIELDS);
    target.data('abc', true);
    rig.settle();
    expect(client).toMatchObject({ bodyBytes: -1, body: 'aabbcc', isEnded: true });
    expect(client.trailers).toBe(field('X-Bytes', '6'));
  });

  it('and does not say so costs the client its reply, not the others theirs', async () => {
    class Liar extends Double {
      override head(head: StageHead): void {
        this.next.head(head);
      }
    }
    const { rig, client, target } = await aReply(() => new Liar());
    target.head(200, 3, NO_FIELDS);
    target.data('abc', true);
    rig.settle();
    expect(client).toMatchObject({ status: 500, isEnded: true });
    expect(rig.errors).toEqual(['a reply of 3 bytes has 6']);
  });
});

class Thrower extends ReplyStage {
  constructor(private readonly at: 'head' | 'data' | 'end') {
    super();
  }

  override head(head: StageHead): void {
    if (this.at === 'head') throw new Error('a mistake in a stage');
    this.next.head(head);
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    if (this.at === 'data') throw new Error('a mistake in a stage');
    return this.next.data(bytes, isLast);
  }

  override end(): void {
    throw new Error('a mistake in a stage');
  }
}

describe('a stage that throws', () => {
  it.each(['head', 'data'] as const)(
    'at the %s gives the client a problem while nothing is sent',
    async (at) => {
      const { rig, client, target } = await aReply(() => new Thrower(at));
      target.head(200, 5, NO_FIELDS);
      target.data('hello', true);
      rig.settle();
      expect(client).toMatchObject({ status: 500, isEnded: true, isCut: false });
      expect(client.body).toContain('GW_INTERNAL');
      expect(rig.errors).toEqual(['a mistake in a stage']);
      expect(rig.request({ path: '/api/b' }).isWaiting).toBe(true);
    },
  );

  it('behind the head cuts the client off', async () => {
    const { rig, client, target } = await aReply(() => new Thrower('end'));
    target.head(200, -1, NO_FIELDS);
    target.data('hello');
    rig.settle();
    target.end();
    rig.settle();
    expect(client).toMatchObject({ status: 200, body: 'hello', isCut: true });
  });

  it('later on, in a promise, does the same', async () => {
    class LateThrower extends ReplyStage {
      override head(): void {
        this.after(Promise.resolve(), () => {
          throw new Error('a late mistake');
        });
      }
    }
    const { rig, client, target } = await aReply(() => new LateThrower());
    target.head(200, -1, NO_FIELDS);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    rig.settle();
    expect(client).toMatchObject({ status: 500, isEnded: true });
    expect(target.isAborted).toBe(true);
  });

  it('when it is opened takes no reply of the gateway away', async () => {
    const rig = await aWorker(() => {
      throw new Error('a mistake in a source');
    });
    expect(rig.request({ path: '/hello' })).toMatchObject({ status: 200, body: 'hello' });
    const client = rig.request({ path: '/api/a' });
    rig.lastTry.head(200, 0, NO_FIELDS);
    rig.settle();
    expect(client).toMatchObject({ status: 500, isEnded: true });
  });
});

/** Takes everything and gives nothing. */
class Grave extends ReplyStage {
  isCancelled = false;

  constructor(private readonly isHeadFree: boolean) {
    super();
  }

  override head(head: StageHead): void {
    if (this.isHeadFree) this.next.head(head);
  }

  override data(): boolean {
    return false;
  }

  override end(): void {}

  override cancel(): void {
    this.isCancelled = true;
  }
}

describe('a stage that never resumes', () => {
  it.each([
    [false, { status: 500, isEnded: true, isCut: false }],
    [true, { status: 200, isEnded: false, isCut: true }],
  ])('ends with the deadline of its exchange (head out: %s)', async (isHeadFree, expected) => {
    const graves: Grave[] = [];
    const { rig, client, target } = await aReply(() => {
      const grave = new Grave(isHeadFree);
      graves.push(grave);
      return grave;
    });
    target.head(200, -1, NO_FIELDS);
    target.data('hello');
    expect(target.isPaused).toBe(true);
    rig.advance(2900);
    expect(client.isEnded || client.isCut).toBe(false);
    rig.advance(300);
    expect(client).toMatchObject(expected);
    expect(target.isAborted).toBe(true);
    expect(graves[0]?.isCancelled).toBe(true);
  });

  it('does so when its target has said all, and when there is none', async () => {
    const { rig, client, target } = await aReply(() => new Grave(false));
    target.head(200, 5, NO_FIELDS);
    target.data('hello', true);
    rig.advance(3200);
    expect(client).toMatchObject({ status: 500, isEnded: true });
    const other = rig.request({ path: '/hello' });
    expect(other.isWaiting).toBe(true);
    rig.advance(60_100);
    expect(other).toMatchObject({ status: 500, isEnded: true });
  });
});

/** Keeps the end of a reply for later, as one that compresses. */
class LateEnd extends ReplyStage {
  override trailers(): void {}
}

describe('a call of gRPC whose target breaks off', () => {
  const TOLD = { trailers: expect.stringContaining('grpc-status: 14'), isEnded: true };
  it.each([
    ['is told why', [], TOLD],
    ['is told why by way of a stage', [() => new Double()], TOLD],
    ['is cut off where a stage keeps that', [() => new LateEnd()], { trailers: null, isCut: true }],
  ])('%s', async (_, makers, expected) => {
    const rig = await aWorker(...makers);
    const fields = ['content-type', 'application/grpc-web'];
    const client = rig.request({ method: 'POST', path: '/shop.Orders/Watch', fields });
    rig.lastTry.head(200, -1, field('Content-Type', 'application/grpc'));
    rig.lastTry.data('half');
    rig.settle();
    rig.lastTry.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    rig.settle();
    expect(client).toMatchObject(expected);
    expect(rig.inFlight).toBe(0);
  });
});

describe('a call of gRPC whose target answers in something else', () => {
  it('counts with the status that its client gets', async () => {
    const rig = await aWorker();
    const fields = ['content-type', 'application/grpc'];
    for (const status of [200, 503]) {
      const client = rig.request({ method: 'POST', path: '/shop.Orders/Get', fields });
      rig.lastTry.head(status, 4, field('Content-Type', 'text/html'));
      rig.settle();
      const code = status === 200 ? 2 : 14;
      expect(client.fields).toContain(`grpc-status: ${code}`);
      expect(rig.records.at(-1)).toContain(`"grpcStatus":${code},`);
    }
    expect(rig.counters.read(requestCounter(2, 'POST', 503))).toBe(2);
  });
});
