import { describe, expect, it } from 'vitest';
import { entriesOf, field } from '../../../src/base/field-block.js';
import { buildProblemReply, responseTimeField } from '../../../src/base/problem-reply.js';
import { PROBLEMS } from '../../../src/base/problems.js';

describe('problem reply', () => {
  it.each(Object.entries(PROBLEMS))('says what %s is, in head and body', (_name, kind) => {
    const more = field('X-More', '1');
    const { fields, body } = buildProblemReply(kind, 'id-1', 'A "quoted" detail.', more);
    const error = kind.proxyError === '' ? '' : `error=${kind.proxyError}; `;
    // A target can break HTTP in many ways: the detail says which it was.
    const cause = kind === PROBLEMS.upstreamProtocol ? ": A 'quoted' detail." : '';
    expect([...entriesOf(fields)]).toEqual([
      ['Content-Type', 'application/problem+json'],
      ['Proxy-Status', `sluice; ${error}details="${kind.part}: ${kind.code}${cause}"`],
      ['X-More', '1'],
    ]);
    expect(body.endsWith('\n')).toBe(true);
    expect(JSON.parse(body)).toEqual({
      type: 'about:blank',
      title: kind.title,
      status: kind.status,
      detail: 'A "quoted" detail.',
      code: kind.code,
      part: kind.part,
      requestId: 'id-1',
    });
  });

  it('has a code of its own for every problem, and a status that is an error or leads to https', () => {
    const kinds = Object.values(PROBLEMS);
    expect(new Set(kinds.map(({ code }) => code)).size).toBe(kinds.length);
    for (const { code, status, title } of kinds) {
      expect(code).toMatch(/^GW_[A-Z_]+$/);
      if (code === PROBLEMS.httpsRequired.code) expect(status).toBe(308);
      else expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(title).not.toBe('');
    }
  });
});

describe('response time', () => {
  it.each([
    [-3, '0.000'],
    [0, '0.000'],
    [0.49, '0.000'],
    [0.5, '0.001'],
    [9.4, '0.009'],
    [10, '0.010'],
    [99.4, '0.099'],
    [99.5, '0.100'],
    [999.4, '0.999'],
    [999.5, '1.000'],
    [61_005, '61.005'],
  ])('of %d ms is %s', (elapsedMs, text) => {
    expect(responseTimeField(elapsedMs)).toBe(field('X-Response-Time', `${text}s`));
  });
});
