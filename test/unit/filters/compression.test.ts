/** Replies that are compressed, piece by piece, as the lane and the target see it. */
import { brotliDecompressSync, createGunzip, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../src/base/field-block.js';
import {
  type CompressionLedger,
  Compressions,
} from '../../../src/filters/compression/compressions.js';
import { ReplyCompression } from '../../../src/filters/compression/reply-compression.js';
import type { CompressionPlan } from '../../../src/filters/filter.js';
import type { StageHead } from '../../../src/filters/reply-stage.js';
import { eventually } from '../../support/eventually.js';
import { makeExchange } from '../../support/make-exchange.js';

const PLAN: CompressionPlan = {
  codings: ['br', 'gzip'],
  minBytes: 100,
  types: ['application/json', 'text/*', 'application/*+json', 'text/event-stream'],
  levels: { gzip: 5, br: 4, zstd: 3 },
};
const JSON_TYPE = field('Content-Type', 'application/json');
const GZIP = ['accept-encoding', 'gzip'];
const LONG = Buffer.from('{"a":1}'.repeat(100));

/** Counts as a worker does. */
/** Replies that the worker compresses at a time. */
const OPEN_MAX = 16;

class Ledger implements CompressionLedger {
  compressed = 0;
  bytesIn = 0;
  bytesOut = 0;
  uncompressed = 0;

  countCompressed(): void {
    this.compressed += 1;
  }

  countCompressedBytes(_: string, bytesIn: number, bytesOut: number): void {
    this.bytesIn += bytesIn;
    this.bytesOut += bytesOut;
  }

  countUncompressed(): void {
    this.uncompressed += 1;
  }
}

interface Wish extends Partial<StageHead> {
  readonly request?: readonly string[];
  readonly plan?: Partial<CompressionPlan>;
  readonly compressions?: Compressions;
  readonly method?: string;
}

/** A reply, and what came out behind the stage. */
class Passed {
  readonly ledger = new Ledger();
  readonly steps: (() => void)[] = [];
  readonly compressions: Compressions;
  readonly head: StageHead;
  readonly chunks: Buffer[] = [];
  readonly said: string[] = [];
  readonly stage;
  takesMore = true;

  constructor(wish: Wish = {}) {
    const { request = GZIP, plan, compressions, method = 'GET', ...head } = wish;
    const base = { status: 200, fields: JSON_TYPE, bodyBytes: -1, isBodiless: false };
    this.head = { ...base, isLocal: false, ...head };
    const shared =
      compressions ??
      new Compressions({
        ledger: this.ledger,
        afterTurn: (step) => void this.steps.push(step),
        openMax: OPEN_MAX,
      });
    this.compressions = shared;
    const source = new ReplyCompression({ ...PLAN, ...plan }, shared, true);
    this.stage = source.open(makeExchange({ method, fields: request }), this.head);
    this.stage?.connect({
      next: {
        head: ({ bodyBytes }) => void this.said.push(`head ${bodyBytes}`),
        data: (bytes, isLast) => {
          this.chunks.push(Buffer.from(bytes));
          this.said.push(isLast ? 'last' : 'data');
          return this.takesMore;
        },
        trailers: (fields) => void this.said.push(`trailers${fields}`),
        end: () => void this.said.push('end'),
        abort: () => void this.said.push('abort'),
      },
      resumeSource: () => void this.said.push('resume'),
      refuse: ({ code }) => void this.said.push(code),
      fail: (error) => void this.said.push(String(error)),
    });
    this.stage?.head(this.head);
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** The end of a turn of the event loop. */
  turn(): void {
    for (const step of this.steps.splice(0)) step();
  }

  async says(text: string): Promise<void> {
    await eventually(`the reply says ${text}`, () => {
      this.turn();
      return this.said.includes(text);
    });
  }

  data(bytes: Buffer, isLast: boolean): boolean | undefined {
    return this.stage?.data(bytes, isLast);
  }
}

function fieldsOf(...fields: readonly FieldBlock[]): FieldBlock {
  return fields.reduce(joinFields, JSON_TYPE);
}

describe('a reply whose body is whole in one turn', () => {
  it('is compressed at once, and has its length', () => {
    const reply = new Passed({ bodyBytes: LONG.length });
    expect(reply.said).toEqual([]);
    reply.data(LONG.subarray(0, 300), false);
    reply.data(LONG.subarray(300), true);
    expect(reply.said).toEqual([`head ${reply.body.length}`, 'last']);
    expect(gunzipSync(reply.body)).toEqual(LONG);
    expect(reply.head.fields).toContain('\r\nContent-Encoding: gzip');
    expect(reply.head.coding).toBe('gzip');
    const { compressed, bytesIn, bytesOut } = reply.ledger;
    expect([compressed, bytesIn, bytesOut]).toEqual([1, LONG.length, reply.body.length]);
  });

  it('is so however its end is told', () => {
    const reply = new Passed();
    reply.data(LONG, false);
    reply.stage?.end();
    expect(reply.said).toEqual([`head ${reply.body.length}`, 'last']);
    expect(gunzipSync(reply.body)).toEqual(LONG);
  });

  it('keeps its trailers, but for a digest of what the target sent', () => {
    const reply = new Passed();
    reply.data(LONG, false);
    reply.stage?.trailers(joinFields(field('X-Sum', '7'), field('Content-Digest', 'sha-256=:a:')));
    expect(reply.said).toEqual(['head -1', 'data', `trailers${field('X-Sum', '7')}`]);
    expect(gunzipSync(reply.body)).toEqual(LONG);
  });

  it('goes out as it is when it turns out to be short, empty, or no shorter when compressed', () => {
    const short = new Passed();
    short.data(Buffer.from('{"a":1}'), false);
    short.stage?.end();
    expect([short.said, String(short.body)]).toEqual([['head 7', 'last'], '{"a":1}']);
    expect(short.head.fields).not.toContain('Content-Encoding');
    expect(short.head.fields).toContain('\r\nVary: Accept-Encoding');
    const empty = new Passed();
    empty.stage?.end();
    expect(empty.said).toEqual(['head 0', 'end']);
    const noise = gzipSync(Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * at) % 251)));
    const dense = new Passed({ plan: { minBytes: 1 } });
    dense.data(gzipSync(noise), true);
    expect(dense.said).toEqual([`head ${gzipSync(noise).length}`, 'last']);
    expect(dense.ledger.compressed).toBe(0);
  });

  it('is compressed even when short for a client that cannot take it otherwise', () => {
    const reply = new Passed({ request: ['accept-encoding', 'gzip, identity;q=0'], bodyBytes: 7 });
    reply.data(Buffer.from('{"a":1}'), true);
    expect(String(gunzipSync(reply.body))).toBe('{"a":1}');
  });
});

describe('a reply that comes piece by piece', () => {
  it('lets out each piece with the turn that it came in, and its head before', async () => {
    const reply = new Passed();
    reply.turn();
    expect(reply.said).toEqual(['head -1']);
    const decoder = createGunzip();
    let decoded = '';
    decoder.on('data', (bytes) => {
      decoded += bytes;
    });
    let given = 0;
    for (let at = 0; at < 20; at++) {
      reply.data(Buffer.from(`event ${at};`), false);
      // Nothing more comes until this is out.
      await eventually('the event is out', () => {
        reply.turn();
        for (; given < reply.chunks.length; given++) decoder.write(reply.chunks[given]);
        return decoded.endsWith(`event ${at};`);
      });
    }
    reply.stage?.end();
    await reply.says('end');
    expect(String(gunzipSync(reply.body)).startsWith('event 0;event 1;')).toBe(true);
    expect(reply.ledger.bytesOut).toBe(reply.body.length);
    expect(reply.ledger.compressed).toBe(1);
  });

  it('is compressed by Brotli where the client prefers that', async () => {
    const reply = new Passed({ request: ['accept-encoding', 'br, gzip'] });
    reply.turn();
    reply.data(LONG, false);
    reply.turn();
    reply.data(LONG, true);
    await reply.says('end');
    expect(brotliDecompressSync(reply.body)).toEqual(Buffer.concat([LONG, LONG]));
  });

  it('ends with its trailers', async () => {
    const reply = new Passed();
    reply.turn();
    reply.data(LONG, false);
    reply.stage?.trailers(field('X-Sum', '7'));
    await reply.says(`trailers${field('X-Sum', '7')}`);
    expect(gunzipSync(reply.body)).toEqual(LONG);
  });

  it('makes its target wait when too much waits here, and lets it go on', async () => {
    const reply = new Passed();
    const noise = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * at * 7) % 253));
    expect(reply.data(noise.subarray(0, 1000), false)).toBe(true);
    expect(reply.data(noise, false)).toBe(false);
    expect(reply.said).toEqual([]);
    reply.turn();
    expect(reply.said).toContain('resume');
    reply.data(Buffer.alloc(0), true);
    await reply.says('end');
    expect(gunzipSync(reply.body).length).toBe(71_000);
  });

  it('lets nothing out while the client takes nothing', async () => {
    const reply = new Passed();
    const noise = Buffer.from(
      Array.from({ length: 60_000 }, (_, at) => Math.imul(at, 2_654_435_761) >>> 13),
    );
    reply.takesMore = false;
    reply.turn();
    // Far more than a stream keeps: the target must come to wait.
    let isPaused = false;
    await eventually('the target waits', () => {
      if (!isPaused) isPaused = reply.data(noise, false) === false;
      else reply.turn();
      return isPaused && reply.chunks.length > 0;
    });
    const sent = reply.chunks.length;
    expect(sent).toBe(1);
    reply.takesMore = true;
    reply.stage?.resume();
    reply.stage?.end();
    await reply.says('end');
    expect(gunzipSync(reply.body).length % noise.length).toBe(0);
  });

  it('that nobody wants any more says nothing', async () => {
    const reply = new Passed();
    reply.turn();
    reply.data(LONG, false);
    reply.turn();
    reply.stage?.cancel();
    reply.stage?.cancel();
    reply.turn();
    const other = new Passed();
    other.turn();
    other.data(LONG, true);
    await other.says('end');
    expect(reply.said).toEqual(['head -1']);
  });

  it('of a long body is compressed in the background even when it is whole', async () => {
    const body = Buffer.from('{"a":1}'.repeat(10_000));
    const reply = new Passed({ bodyBytes: body.length });
    reply.data(body, true);
    expect(reply.said).toEqual([]);
    await reply.says('end');
    expect(reply.said[0]).toBe('head -1');
    expect(gunzipSync(reply.body)).toEqual(body);
  });
});

describe('the head of a compressed reply', () => {
  function headOf(wish: Wish): string {
    const reply = new Passed({ bodyBytes: LONG.length, ...wish });
    reply.data(LONG, true);
    return reply.head.fields;
  }

  it('has a weak tag, and no fields about the plain body', () => {
    const fields = fieldsOf(
      field('ETag', '"a"'),
      field('Accept-Ranges', 'bytes'),
      field('Content-MD5', 'x'),
      field('Content-Digest', 'x'),
      field('Repr-Digest', 'x'),
      field('X-Own', '1'),
    );
    const head = headOf({ fields });
    expect(head).toContain('\r\nETag: W/"a"');
    expect(head).toContain('\r\nX-Own: 1');
    expect(head).not.toMatch(/digest|md5|ranges/i);
    expect(headOf({ fields: fieldsOf(field('ETag', 'W/"a"')) })).toContain('\r\nETag: W/"a"');
    const twice = fieldsOf(field('ETag', '"a"'), field('ETag', '"b"'));
    expect(headOf({ fields: twice })).not.toContain('ETag');
  });

  it('says once that it varies', () => {
    expect(headOf({})).toContain('\r\nVary: Accept-Encoding');
    const merged = headOf({ fields: fieldsOf(field('Vary', 'Origin')) });
    expect(merged).toContain('\r\nVary: Origin\r\nVary: Accept-Encoding');
    const known = headOf({ fields: fieldsOf(field('Vary', 'accept-encoding')) });
    expect(known.match(/vary/gi)).toHaveLength(1);
    expect(headOf({ fields: fieldsOf(field('Vary', '*')) }).match(/vary/gi)).toHaveLength(1);
  });

  it('says that it varies where this client gets the plain body', () => {
    const reply = new Passed({ request: [], bodyBytes: LONG.length });
    expect(reply.stage).toBeNull();
    expect(reply.head.fields).toBe(fieldsOf(field('Vary', 'Accept-Encoding')));
  });

  it('is what HEAD shows, without a length', () => {
    const fields = fieldsOf(field('ETag', '"a"'));
    const reply = new Passed({ method: 'HEAD', isBodiless: true, bodyBytes: 5000, fields });
    reply.stage?.end();
    expect(reply.said).toEqual(['head -1', 'end']);
    expect(reply.head.fields).toContain('Content-Encoding: gzip');
    expect(reply.head.fields).toContain('W/"a"');
    const short = new Passed({ method: 'HEAD', isBodiless: true, bodyBytes: 50, fields });
    expect([short.stage, short.head.fields]).toEqual([null, fields]);
  });
});

describe('a reply stays as it is', () => {
  it.each([
    ['of another type', { fields: field('Content-Type', 'image/png') }],
    ['without a type', { fields: NO_FIELDS }],
    ['of two types', { fields: fieldsOf(JSON_TYPE) }],
    ['of gRPC', { fields: field('Content-Type', 'application/grpc+json') }],
    ['that is coded', { fields: fieldsOf(field('Content-Encoding', 'br')) }],
    ['that is coded as nothing', { fields: fieldsOf(field('Content-Encoding', 'identity')) }],
    ['that must not be changed', { fields: fieldsOf(field('Cache-Control', 'a, No-Transform')) }],
    ['that is a part', { status: 206 }],
    ['with a range', { fields: fieldsOf(field('Content-Range', 'bytes 0-1/2')) }],
    ['that has no body', { status: 204, isBodiless: true }],
    ['that is empty', { bodyBytes: 0 }],
    ['that is short', { bodyBytes: 99 }],
  ])('%s', (_, wish: Wish) => {
    const reply = new Passed(wish);
    expect([reply.stage, reply.head.fields]).toEqual([null, wish.fields ?? JSON_TYPE]);
  });

  it.each(['text/html; charset=utf-8', 'TEXT/HTML', 'application/problem+json', 'text/x'])(
    'unless it is listed: %s',
    (type) => {
      expect(new Passed({ fields: field('Content-Type', type) }).stage).not.toBeNull();
    },
  );

  it('where a star alone would mean an event stream', () => {
    const fields = field('Content-Type', 'text/event-stream');
    expect(new Passed({ fields, plan: { types: ['text/*'] } }).stage).toBeNull();
    expect(new Passed({ fields }).stage).not.toBeNull();
  });

  it('is as long as the least that is compressed', () => {
    expect(new Passed({ bodyBytes: 100 }).stage).not.toBeNull();
  });
});

describe('304', () => {
  function tagFor(ifNoneMatch: string, tag = '"a"'): string {
    const request = [...GZIP, 'if-none-match', ifNoneMatch];
    const fields = field('ETag', tag);
    const reply = new Passed({ request, fields, status: 304, isBodiless: true });
    expect(reply.stage).toBeNull();
    expect(reply.head.fields).toContain('\r\nVary: Accept-Encoding');
    expect(reply.head.fields).not.toContain('Content-Encoding');
    return /ETag: (.*?)(?:\r|$)/.exec(reply.head.fields)?.[1] ?? '';
  }

  it('has the weak tag where the client has a compressed reply', () => {
    expect(tagFor('"b", W/"a"')).toBe('W/"a"');
    expect(tagFor('"a"')).toBe('"a"');
    expect(tagFor('*')).toBe('"a"');
    expect(tagFor('W/"a"', 'W/"a"')).toBe('W/"a"');
  });
});

describe('a reply of the gateway itself', () => {
  it('is judged when its fields and its length are known', () => {
    const reply = new Passed({ isLocal: true, bodyBytes: LONG.length });
    reply.data(LONG, true);
    expect(gunzipSync(reply.body)).toEqual(LONG);
    const short = new Passed({ isLocal: true, bodyBytes: 7 });
    short.data(Buffer.from('{"a":1}'), true);
    expect([short.said, String(short.body)]).toEqual([['head 7', 'last'], '{"a":1}']);
    expect(short.head.fields).toBe(JSON_TYPE);
  });
});

describe('compressions of one worker', () => {
  const stream = field('Content-Type', 'text/event-stream');

  function shared(ledger: Ledger): Compressions {
    return new Compressions({ ledger, afterTurn: () => {}, openMax: OPEN_MAX });
  }

  it('are bounded: what is more goes out as it is, and is counted', () => {
    const ledger = new Ledger();
    const compressions = shared(ledger);
    const open = Array.from({ length: OPEN_MAX }, () => new Passed({ compressions }));
    const plain = new Passed({ compressions });
    plain.data(LONG, false);
    plain.stage?.end();
    expect(plain.said).toEqual(['head -1', 'data', 'end']);
    expect(plain.body).toEqual(LONG);
    expect(plain.head.fields).toBe(fieldsOf(field('Vary', 'Accept-Encoding')));
    expect(ledger.uncompressed).toBe(1);
    open[0]?.stage?.cancel();
    const next = new Passed({ compressions });
    next.data(LONG, true);
    expect(gunzipSync(next.body)).toEqual(LONG);
    expect(ledger.uncompressed).toBe(1);
  });

  it('keep the event loop for 256 KiB of whole bodies in a turn: what is more waits', async () => {
    const gone = new Passed();
    gone.stage?.cancel();
    const { ledger, steps, compressions } = gone;
    const body = Buffer.from('{"id":1234}'.repeat(5957)).subarray(0, 64 * 1024);
    const ask = () => {
      const reply = new Passed({ compressions, bodyBytes: body.length });
      reply.data(body, true);
      return reply;
    };
    for (let at = 0; at < 4; at++) expect(ask().said[1]).toBe('last');
    const fifth = ask();
    expect(fifth.said).toEqual([]);
    for (const step of steps.splice(0)) step();
    await fifth.says('end');
    expect(gunzipSync(fifth.body)).toEqual(body);
    expect(ask().said[1]).toBe('last');
    expect(ledger.compressed).toBe(6);
  });

  it('compress longer bodies behind, and shorter ones where the level is high', () => {
    const { compressions } = new Passed();
    const isAtOnce = [
      compressions.tryAtOnce('gzip', 9, 16 * 1024),
      compressions.tryAtOnce('gzip', 5, 64 * 1024),
      compressions.tryAtOnce('br', 3, 64 * 1024),
      compressions.tryAtOnce('gzip', 5, 64 * 1024 + 1),
      compressions.tryAtOnce('gzip', 6, 64 * 1024),
      compressions.tryAtOnce('br', 4, 64 * 1024),
      compressions.tryAtOnce('zstd', 4, 64 * 1024),
    ];
    expect(isAtOnce).toEqual([true, true, true, false, false, false, false]);
  });

  it('leave room for others beside event streams', () => {
    const ledger = new Ledger();
    const compressions = shared(ledger);
    for (let at = 0; at < OPEN_MAX / 2; at++) new Passed({ compressions, fields: stream });
    expect(new Passed({ compressions, fields: stream }).said).toEqual(['head -1']);
    expect(ledger.uncompressed).toBe(1);
    expect(new Passed({ compressions }).said).toEqual([]);
  });
});
