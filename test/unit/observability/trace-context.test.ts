import { describe, expect, it } from 'vitest';
import { parseTraceparent, W3C_FORMAT } from '../../../src/observability/trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`00-${TRACE}-${SPAN}-02`, false],
    [`cc-${TRACE}-${SPAN}-01-what-comes-later`, true],
    [`cc-${TRACE}-${SPAN}-01`, true],
  ])('%s is valid', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({
      ...{ traceId: TRACE, spanId: SPAN },
      ...{ isSampled, isDebug: false },
    });
  });

  it.each([
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `cc-${TRACE}-${SPAN}-01.more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-0`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ])('%j is not', (text) => {
    expect(parseTraceparent(text)).toBeNull();
  });

  it.each([true, false])('is written as it is read: sampled %s', (isSampled) => {
    const written = new Map<string, string>();
    const trace = { traceId: TRACE, spanId: SPAN, isSampled, isDebug: false };
    W3C_FORMAT.write(
      { replacePlain: (name, value) => void written.set(name, value) },
      { ...trace, parentSpanId: '' },
    );
    expect([...written.keys()]).toEqual(['traceparent']);
    expect(parseTraceparent(written.get('traceparent') ?? '')).toEqual(trace);
  });
});
