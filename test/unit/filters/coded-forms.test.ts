/** Stored bodies that are compressed once for all who get them: what the lane sees of it. */
import { randomBytes } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { field, joinFields } from '../../../src/base/field-block.js';
import type { CodedForms, FormKind } from '../../../src/filters/coded-forms.js';
import { Compressions } from '../../../src/filters/compression/compressions.js';
import { ReplyCompression } from '../../../src/filters/compression/reply-compression.js';
import type { StageHead } from '../../../src/filters/reply-stage.js';
import { compileRouteFilters } from '../../../src/worker/route/route-filters.js';
import { stagesOf } from '../../../src/worker/route/route-stages.js';
import { eventually } from '../../support/eventually.js';
import { makeExchange } from '../../support/make-exchange.js';

const SHORT = Buffer.from('{"a":1}'.repeat(100));
/** Above what is compressed within a turn. */
const LONG = Buffer.from('{"number":1234567,"text":"abcdefgh"}'.repeat(9000));
const NOISE = randomBytes(100_000);
const FIELDS = joinFields(field('Content-Type', 'text/plain'), field('ETag', '"v1"'));
const OPEN_MAX = 2;

const PLAN = {
  codings: ['br', 'gzip'] as const,
  minBytes: 100,
  types: ['text/*'],
  levels: { gzip: 5, br: 4, zstd: 3 },
};

class Forms implements CodedForms {
  readonly number = 7;
  readonly kept = new Map<string, Buffer | null>();
  copies = 0;

  constructor(public plain: Buffer | null) {}

  find({ coding, level }: FormKind): Buffer | null {
    const known = this.kept.get(`${coding} ${level}`);
    return known === undefined ? null : (known ?? Buffer.alloc(0));
  }

  copyPlain(): Buffer | null {
    this.copies += 1;
    return this.plain;
  }

  keep({ coding, level }: FormKind, form: Buffer | null): void {
    this.kept.set(`${coding} ${level}`, form);
  }
}

interface Wish {
  readonly accept: string;
  readonly isFirst: boolean;
  readonly method: string;
  readonly takesMore: boolean;
}

class Rig {
  compressed = 0;
  uncompressed = 0;
  readonly steps: (() => void)[] = [];
  readonly compressions = new Compressions({
    ledger: {
      countCompressed: () => {
        this.compressed += 1;
      },
      countCompressedBytes: () => {},
      countUncompressed: () => {
        this.uncompressed += 1;
      },
    },
    afterTurn: (step) => void this.steps.push(step),
    openMax: OPEN_MAX,
  });

  ask(forms: CodedForms, body: Buffer, wish: Partial<Wish> = {}) {
    const { accept = 'gzip', isFirst = true, method = 'GET', takesMore = true } = wish;
    const source = new ReplyCompression(PLAN, this.compressions, isFirst);
    return new Reply(source, forms, body, { accept, method, takesMore });
  }

  turn(): void {
    for (const step of this.steps.splice(0)) step();
  }
}

class Reply {
  readonly chunks: Buffer[] = [];
  readonly head: StageHead;
  readonly stage;
  said = '';
  isEnded = false;

  constructor(
    source: ReplyCompression,
    forms: CodedForms,
    body: Buffer,
    { accept, method, takesMore }: Omit<Wish, 'isFirst'>,
  ) {
    const isBodiless = method === 'HEAD';
    this.head = {
      ...{ status: 200, fields: FIELDS, bodyBytes: body.length, isBodiless, isLocal: false },
      forms,
    };
    const request = makeExchange({ method, fields: ['accept-encoding', accept] });
    this.stage = source.open(request, this.head);
    this.stage?.connect({
      next: {
        head: ({ bodyBytes, fields }) => {
          this.said = `${bodyBytes} ${fields}`;
        },
        data: (bytes, isLast) => {
          this.chunks.push(Buffer.from(bytes));
          this.isEnded ||= isLast;
          return takesMore;
        },
        trailers: () => {},
        end: () => {
          this.isEnded = true;
        },
        abort: () => {},
      },
      resumeSource: () => {},
      refuse: ({ code }) => {
        this.said = code;
      },
      fail: (error) => {
        this.said = String(error);
      },
    });
    this.stage?.head(this.head);
    if (isBodiless) this.stage?.end();
    else this.stage?.data(body, true);
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

it.each([
  [0, SHORT],
  [1, LONG],
])('a stored body behind %i plugins, which may have changed it', (plugins, expected) => {
  const rig = new Rig();
  const { compressions } = rig;
  const others = { bodyRecords: null, pages: null, compressions };
  const stages = stagesOf(
    { ...compileRouteFilters({ filters: {} }), replyCoding: PLAN },
    { ...others, plugins: Array.from({ length: plugins }, () => ({ open: () => null })) },
  );
  const last = stages.at(-1);
  if (!(last instanceof ReplyCompression)) throw new Error('compression is the last stage');
  const reply = new Reply(last, new Forms(SHORT), LONG.subarray(0, 10_000), {
    ...{ accept: 'gzip', method: 'GET', takesMore: true },
  });
  expect(gunzipSync(reply.body)).toEqual(expected.subarray(0, 10_000));
});

describe('a stored body', () => {
  it('is compressed for the first who wants it, and lies there for the others', () => {
    const rig = new Rig();
    const forms = new Forms(SHORT);
    const replies = [1, 2, 3].map(() => rig.ask(forms, SHORT));
    for (const reply of replies) {
      expect(gunzipSync(reply.body).equals(SHORT)).toBe(true);
      expect(reply.isEnded).toBe(true);
      expect(reply.said).toContain(`${reply.body.length} `);
      expect(reply.said).toContain('W/"v1"');
      expect(reply.said.toLowerCase()).toContain('content-encoding: gzip');
      expect(reply.said).toContain('Accept-Encoding');
    }
    expect([rig.compressed, forms.copies]).toEqual([1, 1]);
  });

  it('that is long is compressed off the loop, once for all who come meanwhile', async () => {
    const rig = new Rig();
    const forms = new Forms(LONG);
    const replies = Array.from({ length: 50 }, () => rig.ask(forms, LONG));
    expect(replies.every(({ said }) => said === '')).toBe(true);
    await eventually('all have it', () => replies.every(({ isEnded }) => isEnded));
    for (const { body } of replies) expect(gunzipSync(body).equals(LONG)).toBe(true);
    expect([rig.compressed, forms.copies, rig.uncompressed]).toEqual([1, 1, 0]);
    // Others of the same worker have room for as many as before.
    expect([rig.compressions.tryTake(false), rig.compressions.tryTake(false)]).toEqual([
      true,
      true,
    ]);
  });

  it('has a form in each coding', () => {
    const rig = new Rig();
    const forms = new Forms(SHORT);
    expect(gunzipSync(rig.ask(forms, SHORT).body).equals(SHORT)).toBe(true);
    const br = rig.ask(forms, SHORT, { accept: 'br, gzip' });
    expect(brotliDecompressSync(br.body).equals(SHORT)).toBe(true);
    expect([...forms.kept.keys()]).toEqual(['gzip 5', 'br 4']);
  });

  it('that does not get shorter goes out as it is, and that is remembered', async () => {
    const rig = new Rig();
    const forms = new Forms(NOISE);
    const first = rig.ask(forms, NOISE);
    await eventually('it is sent', () => first.isEnded);
    const second = rig.ask(forms, NOISE);
    for (const { body, said } of [first, second]) {
      expect(body.equals(NOISE)).toBe(true);
      expect(said.toLowerCase()).not.toContain('content-encoding');
      expect(said).toContain('Vary: Accept-Encoding');
    }
    expect(rig.compressed).toBe(1);
    const strict = rig.ask(forms, NOISE, { accept: 'gzip, identity;q=0' });
    await eventually('it is sent', () => {
      rig.turn();
      return strict.isEnded;
    });
    expect(gunzipSync(strict.body).equals(NOISE)).toBe(true);
  });

  it('is sent at the pace of its client', () => {
    const rig = new Rig();
    const forms = new Forms(NOISE);
    const form = gzipSync(NOISE);
    forms.kept.set('gzip 5', form.subarray(0, 65_536 * 1.4));
    const reply = rig.ask(forms, NOISE, { takesMore: false });
    expect([reply.chunks.length, reply.isEnded]).toEqual([1, false]);
    reply.stage?.resume();
    expect([reply.chunks.length, reply.isEnded]).toEqual([2, true]);
    expect(reply.body.equals(form.subarray(0, 65_536 * 1.4))).toBe(true);
  });

  it('goes nowhere once its client has left, before it was made or in the middle', async () => {
    const rig = new Rig();
    const forms = new Forms(LONG);
    const [stays, gone] = [rig.ask(forms, LONG), rig.ask(forms, LONG)];
    gone.stage?.cancel();
    await eventually('it is made', () => stays.isEnded);
    expect([gone.said, gone.chunks.length]).toEqual(['', 0]);
    const noise = new Forms(NOISE);
    noise.kept.set('gzip 5', gzipSync(NOISE).subarray(0, 90_000));
    const half = rig.ask(noise, NOISE, { takesMore: false });
    half.stage?.cancel();
    half.stage?.resume();
    expect(half.chunks.length).toBe(1);
  });

  it('has a head of the same fields for HEAD', () => {
    const rig = new Rig();
    const forms = new Forms(SHORT);
    const reply = rig.ask(forms, SHORT, { method: 'HEAD' });
    expect(reply.said.toLowerCase()).toContain('content-encoding: gzip');
    expect(reply.said).toContain('W/"v1"');
    expect([rig.compressed, reply.chunks.length, reply.isEnded]).toEqual([0, 0, true]);
  });

  it('stays plain for a while when too many others are compressed', () => {
    const rig = new Rig();
    for (let taken = 0; taken < OPEN_MAX; taken++) rig.compressions.tryTake(false);
    const forms = new Forms(SHORT);
    const reply = rig.ask(forms, SHORT);
    expect(reply.body.equals(SHORT)).toBe(true);
    expect([rig.uncompressed, forms.kept.size]).toEqual([1, 0]);
  });

  it('that has gone from the store is compressed for this reply only', async () => {
    const rig = new Rig();
    const forms = new Forms(null);
    const reply = rig.ask(forms, SHORT);
    expect(gunzipSync(reply.body).equals(SHORT)).toBe(true);
    expect(forms.kept.size).toBe(0);
    const long = rig.ask(forms, LONG);
    await eventually('it is sent', () => {
      rig.turn();
      return long.isEnded;
    });
    expect(gunzipSync(long.body).equals(LONG)).toBe(true);
  });

  it('has no forms where another stage may have changed it', () => {
    const rig = new Rig();
    const forms = new Forms(SHORT);
    const reply = rig.ask(forms, SHORT, { isFirst: false });
    expect(gunzipSync(reply.body).equals(SHORT)).toBe(true);
    expect([forms.copies, forms.kept.size]).toEqual([0, 0]);
  });
});
