import { describe, expect, it } from 'vitest';
import { readableLine } from '../../../src/observability/readable-log.js';

const TIME = '2026-01-02T03:04:05.678Z';

/** Without colours. */
function plain(line: object | string): string {
  const text = readableLine(typeof line === 'string' ? line : JSON.stringify(line));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences.
  return text.replace(/\u001b\[\d+m/g, '');
}

const REQUEST = {
  level: 'info',
  time: TIME,
  thread: 'worker-0',
  msg: 'request',
  method: 'GET',
  target: '/a',
  status: 200,
  upstreamTarget: '127.0.0.1:8001',
  tries: 1,
  durationMs: 1.5,
  code: '',
  end: 'complete',
};

describe('a line for a person', () => {
  it('of a request says what came of it', () => {
    expect(plain(REQUEST)).toBe('03:04:05.678 200  GET  /a  → 127.0.0.1:8001  1.5 ms\n');
    const refused = { ...REQUEST, status: 429, upstreamTarget: '', code: 'GW_RATE_LIMITED' };
    expect(plain(refused)).toBe('03:04:05.678 429  GET  /a  1.5 ms  GW_RATE_LIMITED\n');
    const cut = { ...REQUEST, tries: 2, end: 'cut' };
    expect(plain(cut)).toContain('→ 127.0.0.1:8001 (2 tries)');
    expect(plain(cut)).toMatch(/ms {3}cut\n$/);
  });

  it('of an event has its fields behind it, and the stack of an error below', () => {
    const event = { level: 'warn', time: TIME, thread: 'x', msg: 'lane is late', lane: 1, a: [1] };
    expect(plain(event)).toBe('03:04:05.678 WARN  lane is late  lane=1 a=[1]\n');
    const error = { ...event, err: { stack: 'Error: no\n    at x' } };
    expect(plain(error).split('\n').slice(1)).toEqual(['  Error: no', '      at x', '']);
  });

  it('lets nothing steer the terminal', () => {
    const text = plain({ ...REQUEST, target: '/\u001b[2J\u0007\u202ex' });
    expect(text).toContain('/�[2J��x');
  });

  it('that is no JSON stays as it is', () => {
    expect(plain('oops\n')).toBe('oops\n');
  });
});
