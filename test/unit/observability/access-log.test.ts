import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompiledAccessLog } from '../../../src/config/compiled-observability.js';
import {
  AccessLog,
  type AccessRecord,
  inMicroseconds,
} from '../../../src/observability/access-log.js';

/** What one write to a pipe takes without mixing with those of other threads. */
const PIPE_BYTES = 4096;

const EVERYTHING: CompiledAccessLog = {
  samplePercent: 100,
  statuses: [],
  slowerThanMs: -1,
  showsBodies: true,
  headers: [],
  secretHeaders: [],
  redactQuery: ['token', 'api_key'],
};

const RECORD: AccessRecord = {
  requestId: 'r'.repeat(128),
  clientIp: '2001:db8:1111:2222:3333:4444:5555:6666',
  consumer: 'alice',
  method: 'OPTIONS',
  protocol: 11,
  target: '/x',
  route: 'r'.repeat(64),
  upstreamTarget: `${'h'.repeat(253)}:65535`,
  status: 200,
  bytes: 1,
  coding: '',
  durationMs: 1.23456,
  upstreamMs: 0.98765,
  code: 'GW_UPSTREAM_CONNECT_FAILED',
  cause: '',
  tries: 3,
  end: 'complete',
  fields: null,
  call: null,
  cache: '',
  traceId: '',
};

function fieldsOf(fields: Readonly<Record<string, string>>): AccessRecord['fields'] {
  return { value: (name) => fields[name] ?? '' };
}

interface Line extends AccessRecord {
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a record says of this cause, and whether it says anything. */
function causeOf(cause: string): unknown {
  return (JSON.parse(textOf({ cause })) as { readonly cause?: string }).cause;
}

describe('a duration', () => {
  it('is the number of its milliseconds, to a thousandth', () => {
    const numbers = fc.oneof(
      fc.double({ min: -1, max: 1e6, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 33 }).map((thousandths) => thousandths / 1000),
      fc.integer({ min: 0, max: 100_000 }),
    );
    fc.assert(
      fc.property(numbers, (ms) => {
        expect(inMicroseconds(ms)).toBe(String(Math.round(ms * 1000) / 1000));
      }),
    );
    expect(inMicroseconds(0)).toBe('0');
    expect(inMicroseconds(12.01)).toBe('12.01');
    expect(inMicroseconds(0.0004)).toBe('0');
  });
});

describe('the cause of a refusal', () => {
  it('is shown where there is one, on one line and not at any length', () => {
    expect(textOf({ cause: '' })).not.toContain('cause');
    expect(causeOf('sso: aud is "x",\nexpected "api"')).toBe('sso: aud is "x",\nexpected "api"');
    expect(textOf({ cause: 'a\nb' }).trimEnd()).not.toContain('\n');
    expect(causeOf('x'.repeat(256))).toHaveLength(256);
    expect(causeOf('x'.repeat(257))).toHaveLength(256);
  });
});

function textOf(wish: Partial<AccessRecord>, options: Partial<CompiledAccessLog> = {}): string {
  let text = '';
  const output = {
    thread: 'worker-0',
    time: () => '2026-01-01T00:00:00.000Z',
    write: (line: string): void => {
      text += line;
    },
  };
  new AccessLog(output, { ...EVERYTHING, ...options }, Math.random).write({ ...RECORD, ...wish });
  return text;
}

function lineOf(...given: Parameters<typeof textOf>): Line {
  return JSON.parse(textOf(...given)) as Line;
}

describe('access record', () => {
  it('is one write and JSON for any client', () => {
    const unit = fc.constantFrom('a', '"', '\\', '\u0001', 'é', '€', '😀', '\ud800', 'A');
    const aText = fc.tuple(unit, fc.integer({ min: 0, max: 9000 }));
    fc.assert(
      fc.property(aText, aText, aText, aText, (method, target, consumer, field) => {
        const [first = '', second = '', third = '', value = ''] = [
          method,
          target,
          consumer,
          field,
        ].map(([char, count]) => char.repeat(count));
        const text = textOf(
          {
            method: first,
            target: second,
            consumer: third,
            cause: third,
            traceId: 'f'.repeat(32),
            fields: { value: () => value },
          },
          { headers: Array.from({ length: 16 }, (_, at) => `x-${at}`) },
        );
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PIPE_BYTES);
        expect(text.indexOf('\n')).toBe(text.length - 1);
        expect(JSON.parse(text)).toMatchObject({ msg: 'request', method: first.slice(0, 16) });
      }),
      { numRuns: 300 },
    );
  });

  it('shows of a key that it was there, and of a URL in a field all but its secrets', () => {
    const fields = fieldsOf({
      'x-api-key': 'k1',
      'x-shop-key': 'k2',
      referer: 'https://app.test/back?token=k3&page=2',
    });
    const { headers } = lineOf(
      { fields },
      { headers: ['x-api-key', 'x-shop-key', 'referer'], secretHeaders: ['x-shop-key'] },
    );
    expect(headers).toEqual({
      'x-api-key': '[redacted]',
      'x-shop-key': '[redacted]',
      referer: 'https://app.test/back?token=[redacted]&page=2',
    });
  });

  it('says the same of a head that has come before, whatever else is another', () => {
    const lines: string[] = [];
    const times = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z'];
    const output = {
      thread: 'worker-0',
      time: () => times[lines.length >> 3] ?? '',
      write: (line: string): void => void lines.push(line),
    };
    const logs = [['token'], ['a']].map(
      (redactQuery) => new AccessLog(output, { ...EVERYTHING, redactQuery }, Math.random),
    );
    const step = fc.record({
      which: fc.nat({ max: 1 }),
      requestId: fc.constantFrom('r-1', 'r-"2'),
      clientIp: fc.constantFrom('192.0.2.1', '192.0.2.2'),
      consumer: fc.constantFrom('', 'ada', 'bob"'),
      route: fc.constantFrom('a', 'b'),
      cause: fc.constantFrom('', 'c'.repeat(300)),
      plugins: fc.constantFrom('', `"${'p'.repeat(3500)}"`),
      status: fc.constantFrom(200, 404),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 16 }), (steps) => {
        const known = { subject: null };
        const write = (ofHead: AccessRecord['known']): string[] => {
          lines.length = 0;
          for (const { which, ...wish } of steps) {
            const target = `/x?token=k&a=${'y'.repeat(1100)}`;
            logs[which]?.write({ ...RECORD, target, ...wish, known: ofHead ?? null });
          }
          return lines.splice(0);
        };
        expect(write(known)).toEqual(write(null));
      }),
      { numRuns: 300 },
    );
  });

  it('stays within one write, whatever the client sends', () => {
    const headers = Array.from({ length: 16 }, (_, at) => `x-long-${at}-${'n'.repeat(100)}`);
    const fields = { value: () => '"é\\'.repeat(3000) };
    const text = textOf(
      {
        target: `/${'t'.repeat(8000)}`,
        consumer: '\u0001'.repeat(8000),
        traceId: 'f'.repeat(32),
        fields,
      },
      { headers },
    );
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PIPE_BYTES);
    const line = JSON.parse(text) as Line;
    expect(line.target.length).toBe(1024);
    expect(line.consumer).toBe('\u0001'.repeat(128));
    expect(Object.values(line.headers ?? {})[0]).toBe('"é\\'.repeat(43).slice(0, 128));
  });

  it('is one line that begins and ends as every other line of the log', () => {
    const text = textOf({});
    expect(text.indexOf('\n')).toBe(text.length - 1);
    const keys = Object.keys(JSON.parse(text) as object);
    expect(keys.slice(0, 3)).toEqual(['level', 'time', 'thread']);
    expect(keys.at(-1)).toBe('msg');
    expect(JSON.parse(text)).toMatchObject({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
      thread: 'worker-0',
      msg: 'request',
    });
  });

  it('shows what fits as it is', () => {
    expect(lineOf({ protocol: 20 })).toMatchObject({ protocol: 'HTTP/2' });
    expect(lineOf({})).toMatchObject({
      protocol: 'HTTP/1.1',
      target: '/x',
      consumer: 'alice',
      durationMs: 1.235,
      upstreamMs: 0.988,
      end: 'complete',
    });
    expect(lineOf({})).not.toHaveProperty('grpcStatus');
    const call = { service: 'a.B', method: 'C'.repeat(200), status: 14 };
    expect(lineOf({ call })).toMatchObject({
      grpcService: 'a.B',
      grpcMethod: 'C'.repeat(128),
      grpcStatus: 14,
    });
    expect(lineOf({})).not.toHaveProperty('traceId');
    expect(lineOf({ traceId: 'abc' })).toMatchObject({ traceId: 'abc' });
  });

  it('hides the values of chosen query parameters, however their names are written', () => {
    const target =
      '/a?id=1;API_KEY=SECRET&%74oken=SECRET;id=SECRET&tok%65N%5B0]=SECRET&tokens=2&token';
    expect(lineOf({ target }).target).toBe(
      '/a?id=1;API_KEY=[redacted]&%74oken=[redacted]&tok%65N%5B0]=[redacted]&tokens=2&token',
    );
    expect(lineOf({ target: '/a?token=SECRET;SECRET' }).target).toBe('/a?token=[redacted]');
    expect(lineOf({ target: '/token=1' }).target).toBe('/token=1');
    expect(lineOf({ target: '/?%=1&%zz=2' }).target).toBe('/?%=1&%zz=2');
  });

  it('shows the fields that are listed, and of credentials only that they were there', () => {
    const fields = fieldsOf({
      'user-agent': 'curl/8',
      authorization: 'Bearer SECRET',
      cookie: 'id=SECRET',
    });
    const headers = ['user-agent', 'authorization', 'cookie', 'proxy-authorization', 'x-none'];
    const text = textOf({ fields }, { headers });
    expect((JSON.parse(text) as Line).headers).toEqual({
      'user-agent': 'curl/8',
      authorization: '[redacted]',
      cookie: '[redacted]',
    });
    expect(text).not.toContain('SECRET');
    expect(lineOf({ fields })).not.toHaveProperty('headers');
  });
});

describe('which requests write a record', () => {
  const output = { thread: '', time: () => '', write: () => {} };
  const log = (options: Partial<CompiledAccessLog>, draw = 0.5) =>
    new AccessLog(output, { ...EVERYTHING, ...options }, () => draw);

  it('is all of them without filters', () => {
    expect(log({}).wants(200, 0)).toBe(true);
  });

  it('is those that a filter names, and a share of the others', () => {
    const statuses = [
      [404, 404],
      [500, 599],
    ] as const;
    const filtered = log({ samplePercent: 0, statuses, slowerThanMs: 100 }, 0);
    const wanted = [403, 404, 405, 499, 500, 599].map((status) => filtered.wants(status, 1));
    expect(wanted).toEqual([false, true, false, false, true, true]);
    expect([100, 100.1].map((ms) => filtered.wants(200, ms))).toEqual([false, true]);
    const sampled = (draw: number) => log({ samplePercent: 10, statuses }, draw);
    expect([0, 0.0999, 0.1, 0.9].map((draw) => sampled(draw).wants(200, 1))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(sampled(0.9).wants(500, 1)).toBe(true);
  });

  it('is none with a share of nothing', () => {
    expect(log({ samplePercent: 0 }, 0).wants(200, 1e9)).toBe(false);
  });
});

describe('a record', () => {
  it('is a JSON object that says what it was given, whatever characters that has', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 });
    const texts = fc.record({
      requestId: text,
      clientIp: text,
      consumer: text,
      method: text,
      // What stands for a parameter to hide has tests of its own.
      target: text.map((path) => path.replaceAll('?', '')),
      route: text,
      upstreamTarget: text,
    });
    fc.assert(
      fc.property(texts, text, (given, agent) => {
        const fields = fieldsOf({ 'user-agent': agent });
        const line = lineOf({ ...given, fields }, { headers: ['user-agent'] });
        expect(line).toMatchObject({ ...given, method: given.method.slice(0, 16) });
        expect(line.headers).toEqual(agent === '' ? {} : { 'user-agent': agent });
      }),
    );
  });

  it('has its figures, and only what it has', () => {
    const line: Record<string, unknown> = { ...lineOf({ consumer: '"\\', fields: null }) };
    expect(line).toMatchObject({ tries: 3, status: 200, bytes: 1, durationMs: 1.235 });
    expect(line).toMatchObject({ upstreamMs: 0.988, end: 'complete', consumer: '"\\' });
    expect(line).not.toHaveProperty('traceId');
    expect(line).not.toHaveProperty('headers');
    expect(lineOf({ traceId: 'a'.repeat(32) }).traceId).toBe('a'.repeat(32));
    expect(textOf({}).endsWith('"msg":"request"}\n')).toBe(true);
  });
});
