import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutgoingTrace } from '../../../src/observability/trace-format.js';
import { findTrace, TRACE_FORMATS } from '../../../src/observability/trace-formats.js';

const TRACE = '80f198ee56343ba864fe8b2a57d3eff7';
const SHORT = '64fe8b2a57d3eff7';
const LONG = SHORT.padStart(32, '0');
const SPAN = 'e457b5a2e4d86bd1';
const PARENT = '05e3ac9a4f6e3b90';

type Fields = Readonly<Record<string, string>>;
type Name = keyof typeof TRACE_FORMATS;

const readBy = (name: Name, fields: Fields) =>
  TRACE_FORMATS[name].read({ value: (field) => fields[field] ?? '' });

/** What the sink has in the end, without fields that were taken away. */
function writtenBy(name: Name, trace: OutgoingTrace): Fields {
  const fields: Record<string, string> = {};
  const replacePlain = (field: string, value: string): void => {
    if (value === '') delete fields[field];
    else fields[field] = value;
  };
  TRACE_FORMATS[name].write({ replacePlain }, trace);
  return fields;
}

const found = (traceId: string, isSampled: boolean | null, isDebug = false) => ({
  ...{ traceId, spanId: traceId === '' ? '' : SPAN },
  ...{ isSampled, isDebug },
});

describe('b3', () => {
  it.each([
    [`${TRACE}-${SPAN}-1-${PARENT}`, found(TRACE, true)],
    [`${TRACE}-${SPAN}-0`, found(TRACE, false)],
    [`${TRACE}-${SPAN}-d`, found(TRACE, true, true)],
    [`${TRACE}-${SPAN}`, found(TRACE, null)],
    [`${SHORT}-${SPAN}-1`, found(LONG, true)],
    ['0', found('', false)],
    ['1', found('', true)],
    ['d', found('', true, true)],
  ])('%s is valid', (b3, trace) => {
    expect(readBy('b3', { b3 })).toEqual(trace);
  });

  it.each([
    '',
    '2',
    'D',
    TRACE,
    `${TRACE}-`,
    `${TRACE}-${SPAN}-`,
    `${TRACE}-${SPAN}-2`,
    `${TRACE}-${SPAN}-true`,
    `${TRACE}-${SPAN}-1-`,
    `${TRACE}-${SPAN}-1-${PARENT}-1`,
    `${TRACE}-${SPAN}-${PARENT}`,
    `${TRACE.toUpperCase()}-${SPAN}-1`,
    `${TRACE.slice(1)}-${SPAN}-1`,
    `${TRACE}-${SPAN.slice(1)}-1`,
    `${'0'.repeat(32)}-${SPAN}-1`,
    `${'0'.repeat(16)}-${SPAN}-1`,
    `${TRACE}-${'0'.repeat(16)}-1`,
    ` ${TRACE}-${SPAN}-1`,
  ])('%j is not', (b3) => {
    expect(readBy('b3', { b3 })).toBeNull();
  });
});

describe('b3multi', () => {
  const ids = { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN };

  it.each<[Fields, object]>([
    [{ ...ids, 'x-b3-sampled': '1', 'x-b3-parentspanid': PARENT }, found(TRACE, true)],
    [{ ...ids, 'x-b3-sampled': '0' }, found(TRACE, false)],
    [{ ...ids, 'x-b3-sampled': 'true' }, found(TRACE, true)],
    [{ ...ids, 'x-b3-sampled': 'false' }, found(TRACE, false)],
    [{ ...ids, 'x-b3-flags': '1' }, found(TRACE, true, true)],
    [{ ...ids, 'x-b3-flags': '0' }, found(TRACE, null)],
    [{ ...ids, 'x-b3-sampled': 'maybe' }, found(TRACE, null)],
    [{ ...ids, 'x-b3-traceid': SHORT }, found(LONG, null)],
    [{ 'x-b3-sampled': '0' }, found('', false)],
    [{ 'x-b3-flags': '1' }, found('', true, true)],
  ])('%o is valid', (fields, trace) => {
    expect(readBy('b3multi', fields)).toEqual(trace);
  });

  it.each<[Fields]>([
    [{}],
    [{ 'x-b3-sampled': 'd' }],
    [{ 'x-b3-traceid': TRACE, 'x-b3-sampled': '1' }],
    [{ 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' }],
    [{ ...ids, 'x-b3-traceid': 'x'.repeat(32) }],
    [{ ...ids, 'x-b3-traceid': '0'.repeat(32) }],
    [{ ...ids, 'x-b3-spanid': TRACE }],
    [{ b3: `${TRACE}-${SPAN}-1` }],
  ])('%o is not', (fields) => {
    expect(readBy('b3multi', fields)).toBeNull();
  });
});

describe('jaeger', () => {
  it.each([
    [`${TRACE}:${SPAN}:0:1`, found(TRACE, true)],
    [`${TRACE}:${SPAN}:${PARENT}:0`, found(TRACE, false)],
    [`${TRACE}:${SPAN}:0:3`, found(TRACE, true, true)],
    [`${TRACE}:${SPAN}:0:2`, found(TRACE, true, true)],
    [`${TRACE}:${SPAN}:0:8`, found(TRACE, false)],
    [`${TRACE}:${SPAN}:0:01`, found(TRACE, true)],
    [`${SHORT}:${SPAN}:0:1`, found(LONG, true)],
    [`${TRACE}%3A${SPAN}%3a0%3A1`, found(TRACE, true)],
    [`${TRACE.toUpperCase()}:${SPAN}:0:1`, found(TRACE, true)],
    [`a:${SPAN}:0:1`, found('a'.padStart(32, '0'), true)],
  ])('%s is valid', (text, trace) => {
    expect(readBy('jaeger', { 'uber-trace-id': text })).toEqual(trace);
  });

  it.each([
    '',
    TRACE,
    `${TRACE}:${SPAN}:1`,
    `${TRACE}:${SPAN}:0:`,
    `${TRACE}:${SPAN}:0:1:0`,
    `${TRACE}:${SPAN}:0:100`,
    `${TRACE}0:${SPAN}:0:1`,
    `${TRACE}:${SPAN}0:0:1`,
    `0:${SPAN}:0:1`,
    `${TRACE}:0:0:1`,
    `${TRACE}:${SPAN}:0:g`,
    `${TRACE}-${SPAN}-0-1`,
  ])('%j is not', (text) => {
    expect(readBy('jaeger', { 'uber-trace-id': text })).toBeNull();
  });
});

describe('every format', () => {
  const digits = (length: number) =>
    fc
      .string({
        unit: fc.constantFrom(...'0123456789abcdef'),
        minLength: length,
        maxLength: length,
      })
      .filter((text) => !/^0+$/.test(text));
  const trace = fc.record({
    traceId: digits(32),
    spanId: digits(16),
    parentSpanId: fc.oneof(fc.constant(''), digits(16)),
    isSampled: fc.boolean(),
    isDebug: fc.constant(false),
  });

  it.each(['w3c', 'b3', 'b3multi', 'jaeger'] as const)('%s reads what it writes', (name) => {
    fc.assert(
      fc.property(trace, ({ parentSpanId, ...sent }) => {
        expect(readBy(name, writtenBy(name, { ...sent, parentSpanId }))).toEqual(sent);
      }),
    );
  });

  it.each(['b3', 'b3multi', 'jaeger'] as const)('%s keeps debug', (name) => {
    const sent = { traceId: TRACE, spanId: SPAN, isSampled: true, isDebug: true };
    expect(readBy(name, writtenBy(name, { ...sent, parentSpanId: '' }))).toEqual(sent);
  });

  it('says no more than the decision where there is no trace', () => {
    const none = { traceId: '', spanId: '', parentSpanId: '', isSampled: false, isDebug: false };
    expect(writtenBy('b3', none)).toEqual({ b3: '0' });
    expect(writtenBy('b3multi', none)).toEqual({ 'x-b3-sampled': '0' });
    expect(writtenBy('jaeger', none)).toEqual({});
    expect(writtenBy('w3c', none)).toEqual({});
  });
});

describe('of several formats', () => {
  const fields: Fields = {
    traceparent: `00-${TRACE}-${SPAN}-01`,
    b3: `${SHORT}-${SPAN}-0`,
    'uber-trace-id': 'nonsense',
  };
  const source = { value: (field: string) => fields[field] ?? '' };
  const { w3c, b3, jaeger } = TRACE_FORMATS;

  it('the first that is valid counts', () => {
    expect(findTrace(source, [jaeger, b3, w3c])?.format).toBe(b3);
    expect(findTrace(source, [jaeger, w3c, b3])?.format).toBe(w3c);
    expect(findTrace(source, [jaeger])).toBeNull();
    expect(findTrace(source, [])).toBeNull();
  });
});
