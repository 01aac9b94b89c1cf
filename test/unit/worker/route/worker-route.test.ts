import { describe, expect, it } from 'vitest';
import type { CompiledRoute } from '../../../../src/config/compiled-config.js';
import { normalizePath } from '../../../../src/routing/normalize-path.js';
import { pathForTarget, type WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import { aCompiledRoute } from '../../../support/compiled-route.js';
import { aCoordinatorConfig } from '../../../support/coordinator-rig.js';
import { workerRoutesOf } from '../../../support/served-config.js';

function compile(...wishes: Partial<CompiledRoute>[]): WorkerRoute[] {
  const config = aCoordinatorConfig({ limiters: [{}, {}], targetCounts: [1, 1] });
  const routes = wishes.map((wish, index) => aCompiledRoute({ ...wish, index }));
  return workerRoutesOf({ ...config, routes });
}

describe('a compiled route', () => {
  it('knows its upstream and its limiters', () => {
    const [plain, limited] = compile(
      {},
      { answer: { kind: 'upstream', upstreamIndex: 1 }, limiterIndexes: [1] },
    );
    expect(plain?.upstream?.name).toBe('upstream-0');
    expect(plain?.limiters).toEqual([]);
    expect(limited?.upstream?.name).toBe('upstream-1');
    expect(limited?.limiters.map((limiter) => limiter.name)).toEqual(['limiter-1']);
  });

  it('has no upstream where the gateway answers itself', () => {
    const [tokens] = compile({ answer: { kind: 'tokens', endpoint: 'refresh' } });
    expect(tokens).toMatchObject({ upstream: null, readsBody: true });
  });

  it('drops fields that are removed, and those that are set anew', () => {
    const [route] = compile({
      rewrite: { stripPrefix: '', setHeaders: [['x-env', 'prod']], removeHeaders: ['x-debug'] },
    });
    expect([...(route?.droppedFields ?? [])]).toEqual(['x-debug', 'x-env']);
    expect(route?.setFields).toEqual(['x-env', 'prod']);
  });

  it.each<Partial<CompiledRoute>>([
    { answer: { kind: 'upstream', upstreamIndex: 9 } },
    { limiterIndexes: [9] },
    { authenticators: [0] },
  ])('cannot refer to what is not there: %j', (wish) => {
    expect(() => compile(wish)).toThrow('is missing');
  });
});

describe('the path that the upstream gets', () => {
  it.each([
    ['', '/api/x', '/api/x'],
    ['/api', '/api/x', '/x'],
    ['/api', '/api', '/'],
    ['/api', '/api/', '/'],
    ['/api', '/apis/x', '/apis/x'],
    ['/api', '/ap', '/ap'],
    ['/api', '/x/api', '/x/api'],
    ['/api/v1', '/api/v1/api/v1', '/api/v1'],
  ])('without the prefix %j is, for %s, %s', (stripPrefix, path, result) => {
    const [route] = compile({ rewrite: { stripPrefix, setHeaders: [], removeHeaders: [] } });
    if (route === undefined) throw new Error('no route');
    expect(pathForTarget(route, { path, sentPath: path })).toBe(result);
  });

  it.each([
    ['', '/a//b', '/a//b'],
    ['/api', '/api/x//y', '/x//y'],
    ['/api', '/api//x', '/x'],
    ['/api', '/%61pi/%7Euser', '/%7Euser'],
    ['/api', '/api//', '/'],
    ['/api', '/apis//x', '/apis//x'],
    ['/api/v1', '/api///v1//x//', '/x//'],
  ])('without the prefix %j is, for %s as it came, %s', (stripPrefix, sentPath, result) => {
    const [route] = compile({ rewrite: { stripPrefix, setHeaders: [], removeHeaders: [] } });
    if (route === undefined) throw new Error('no route');
    const path = normalizePath(sentPath);
    expect(pathForTarget(route, { path, sentPath })).toBe(result);
  });
});
