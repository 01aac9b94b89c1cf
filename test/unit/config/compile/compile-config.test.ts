import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { defineConfig, type GatewayConfig } from '../../../../src/config/gateway-config.js';
import { compileConfig } from '../../../support/compile-config.js';

const CONFIG = defineConfig({
  authenticators: {
    users: { type: 'jwt', algorithms: ['HS256'], secret: 'hunter2-'.repeat(4) },
  },
  upstreams: { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } },
  routes: [
    {
      name: 'all',
      match: { path: '/*' },
      upstream: 'api',
      authenticate: ['users'],
      rateLimit: { limit: 3, window: '1s', key: 'header:X-Key' },
    },
  ],
});

function issuesOf(config: unknown): string[] {
  try {
    compileConfig(config as GatewayConfig);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('compileConfig', () => {
  it('gives a result that is frozen to the bottom', () => {
    const pending: unknown[] = [compileConfig(CONFIG)];
    let count = 0;
    while (pending.length > 0) {
      const value = pending.pop();
      if (typeof value !== 'object' || value === null) continue;
      expect(Object.isFrozen(value)).toBe(true);
      pending.push(...Object.values(value));
      count += 1;
    }
    expect(count).toBeGreaterThan(15);
  });

  it('gives a result that can be cloned to a thread', () => {
    const compiled = compileConfig(CONFIG);
    expect(structuredClone(compiled)).toEqual(compiled);
  });

  it('does not change or freeze what the user gave', () => {
    const config = structuredClone(CONFIG);
    compileConfig(config);
    expect(config).toEqual(CONFIG);
    expect(Object.isFrozen(config.routes)).toBe(false);
  });

  it('takes keys that are there and undefined as absent', () => {
    const config = { ...CONFIG, workers: undefined, limits: { bodyBytes: undefined } };
    expect(issuesOf(config).toSorted(byText)).toEqual([]);
  });

  it('counts epochs as it is told', () => {
    expect(compileConfig(CONFIG, { epoch: 7 }).epoch).toBe(7);
  });

  it('names mistakes without places, since there is no file', () => {
    const config = { ...CONFIG, workers: 65, upstreams: {}, extra: 1 };
    expect(issuesOf(config).toSorted(byText)).toEqual(
      [
        'unknown key "extra"; known: listen, admin, workers, acceptors, trustedProxies, ' +
          'clientAddressField, hardening, paths, ' +
          'requestId, via, ipFilter, cors, securityHeaders, versioning, requestBuffering, compression, errors, upstreamErrors, limits, cache, store, kubernetes, spiffe, stateDir, ' +
          'logging, tracing, ' +
          'reload, shutdown, authenticators, tokenService, keys, plugins, upstreams, routes',
        'workers: must be an integer from 1 to 64, not 65',
        'routes[0].upstream: unknown upstream "api"; there is no upstream',
      ].toSorted(byText),
    );
  });

  it.each([undefined, null, 7, 'text', [], () => 1])('refuses %s', (config) => {
    expect(issuesOf(config)[0]).toMatch(/must be a mapping|missing key/);
  });

  it('survives data that contains itself', () => {
    const config: Record<string, unknown> = { ...CONFIG };
    config['listen'] = config;
    expect(issuesOf(config).length).toBeGreaterThan(0);
  });
});

function byText(left: string, right: string): number {
  return left < right ? -1 : 1;
}
