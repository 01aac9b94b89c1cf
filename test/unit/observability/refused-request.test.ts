import { describe, expect, it } from 'vitest';
import { noteOf, pathOfTarget, refusedOf } from '../../../src/observability/refused-request.js';

const REFUSED = {
  method: 'GET',
  path: '/a',
  route: 'all',
  clientIp: '192.0.2.1',
  consumer: 'ada',
  requestId: 'id-1',
  cause: 'sso: aud is "x", expected "api"',
  keyLines: ['all: ada', 'burst: ada'],
};

describe('what is remembered of a refused request', () => {
  it('comes out of its note as it went in', () => {
    expect(refusedOf(noteOf(REFUSED))).toEqual(REFUSED);
    expect(refusedOf(noteOf({ ...REFUSED, keyLines: [] })).keyLines).toEqual([]);
  });

  it('is empty where the note was cut off', () => {
    const { method, path, consumer, requestId, keyLines } = refusedOf(['PUT', '/x']);
    expect([method, path, consumer, requestId, keyLines]).toEqual(['PUT', '/x', '', '', []]);
  });

  it('has a bounded path, and nothing of a query', () => {
    const [, path = ''] = noteOf({ ...REFUSED, path: `/${'x'.repeat(200)}` });
    expect(path).toHaveLength(160);
    const { cause } = refusedOf(noteOf({ ...REFUSED, cause: 'x'.repeat(200) }));
    expect(cause).toHaveLength(160);
    expect(pathOfTarget('/a?b=secret?c')).toBe('/a');
    expect(pathOfTarget('/a')).toBe('/a');
  });
});
