/** The head of an explained request is judged by what would read it at its listener. */
import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../src/base/problems.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import { expectedEngine } from '../../../src/explain/expected-engine.js';
import type { ExplainedRequest } from '../../../src/explain/explanation.js';
import { judgeHead } from '../../../src/explain/judge-head.js';

const GET: ExplainedRequest = {
  method: 'GET',
  target: '/a',
  fields: [['host', 'a.test']],
  from: '10.0.0.1',
  listener: '',
  consumer: null,
  repeat: 1,
};

function judge(request: Partial<ExplainedRequest>, listen = {}, limits = {}) {
  const routes = [{ name: 'all', match: { path: '/*' }, respond: { status: 204 } }];
  const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:9' }] } };
  const config = loadObject({ listen, limits, upstreams, routes }).compiled;
  const [listener] = config.listeners;
  if (listener === undefined) throw new Error('a listener');
  const place = { limits: config.limits, listener, engine: expectedEngine(listener) };
  const { text, problem } = judgeHead({ ...GET, ...request }, place);
  return { parts: text.split('\n'), problem };
}

const withFields = (...more: [string, string][]) => ({ fields: [...GET.fields, ...more] });

describe('by the codec', () => {
  it('raw characters are encoded, or refused where the listener refuses them', () => {
    const raw = { target: '/a|b?c={d}' };
    expect(judge(raw)).toMatchObject({ problem: null });
    expect(judge(raw).parts[1]).toBe('/a%7Cb?c=%7Bd%7D');
    expect(judge(raw, { rawCharacters: 'refuse' }).problem).toBe(PROBLEMS.badTarget);
  });

  it('names with an underscore go on, are dropped or refused as the listener says', () => {
    const named = withFields(['x_user', 'me']);
    expect(judge(named, { underscores: 'forward' }).parts).toContain('x_user');
    expect(judge(named, { underscores: 'drop' }).parts).not.toContain('x_user');
    expect(judge(named, { underscores: 'refuse' }).problem).toBe(PROBLEMS.badField);
  });

  it('fields of the connection do not reach the worker', () => {
    const { parts } = judge(withFields(['te', 'trailers'], ['keep-alive', '5'], ['x-a', '1']));
    expect(parts).toEqual(['GET', '/a', '10.0.0.1', 'http', 'host', 'a.test', 'x-a', '1']);
  });

  it.each([
    ['PROPFIND', null],
    ['get', null],
    ['CONNECT', PROBLEMS.unknownMethod],
    ['GE(T', PROBLEMS.badMethod],
    ['X'.repeat(33), PROBLEMS.badMethod],
  ])('the method %s', (method, problem) => {
    expect(judge({ method }).problem).toBe(problem);
  });

  it('what is beyond ASCII comes as the bytes of UTF-8', () => {
    expect(judge({ target: '/é' }).parts[1]).toBe('/%C3%A9');
    expect(judge(withFields(['x-a', 'é'])).parts.at(-1)).toBe('\u00c3\u00a9');
  });

  it('limits are those of the gateway', () => {
    const long = withFields(['x-a', 'a'.repeat(2000)]);
    expect(judge(long).problem).toBe(null);
    expect(judge(long, {}, { headerBytes: '1KiB' }).problem).toBe(PROBLEMS.headTooLarge);
    const body = withFields(['content-length', '2048']);
    expect(judge({ ...body, method: 'POST' }, {}, { bodyBytes: '1KiB' }).problem).toBe(
      PROBLEMS.bodyTooLarge,
    );
  });

  it.each([
    [{ fields: [] }, PROBLEMS.badHost],
    [withFields(['host', 'b.test']), PROBLEMS.badHost],
    [withFields(['transfer-encoding', 'gzip']), PROBLEMS.unknownCoding],
    [withFields(['expect', 'more']), PROBLEMS.expectationFailed],
    [{ target: '/a b' }, PROBLEMS.badRequestLine],
    [{ method: 'GET\r\nX', target: '/' }, PROBLEMS.badMethod],
    [{ target: '/ HTTP/1.1\r\nx-a: 1' }, PROBLEMS.badTarget],
    [withFields(['x-a', '1\r\nx-b: 2']), PROBLEMS.badField],
    [withFields(['x-a', '1\n\n']), PROBLEMS.badField],
    [withFields(['x a', '1']), PROBLEMS.badField],
  ])('%j is refused', (request, problem) => {
    const { parts, problem: found } = judge(request);
    expect(found).toBe(problem);
    expect(parts.length % 2).toBe(0);
  });
});

describe('by the guard of the native library', () => {
  const uws = { engine: 'uws' };

  it('raw characters of a path are refused, and those of a query stay', () => {
    expect(judge({ target: '/a|b' }, uws).problem).toBe(PROBLEMS.badTarget);
    expect(judge({ target: '/a?b|c' }, uws).parts[1]).toBe('/a?b|c');
  });

  it('names with an underscore are treated as the listener says', () => {
    const named = withFields(['x_user', 'me']);
    expect(judge(named, { ...uws, underscores: 'drop' }).parts).not.toContain('x_user');
    expect(judge(named, { ...uws, underscores: 'refuse' }).problem).toBe(PROBLEMS.badField);
  });
});
