/** Faults are injected only where that is allowed. */
import { describe, expect, it } from 'vitest';
import type { GatewayConfig, RouteConfig } from '../../../../src/config/gateway-config.js';
import { compileConfig } from '../../../support/compile-config.js';

const configOf = (
  faults: NonNullable<RouteConfig['faults']>,
  hardening: GatewayConfig['hardening'] = { faults: 'allow' },
): GatewayConfig => ({
  hardening,
  upstreams: { up: { targets: [{ url: 'http://10.0.0.1:1' }] } },
  routes: [{ name: 'all', match: { path: '/*' }, upstream: 'up', faults }],
});

describe('faults', () => {
  it('are compiled where they are allowed', () => {
    const faults = { delay: '1s', abort: 503, percent: 5, when: { header: 'X-Fail' } } as const;
    expect(compileConfig(configOf(faults)).routes[0]?.faults).toEqual({
      ...{ percent: 5, delayMs: 1000, status: 503, header: 'x-fail', value: '' },
    });
  });

  it.each([
    [{ abort: 503 }, {}, 'needs hardening.faults: allow'],
    [{ abort: 503 }, { faults: 'refuse' }, 'needs hardening.faults: allow'],
    [{ percent: 5 }, { faults: 'allow' }, 'needs delay, abort or both'],
    [{ abort: 200 }, { faults: 'allow' }, 'abort'],
  ] as const)('%j with %j are refused', (faults, hardening, said) => {
    expect(() => compileConfig(configOf(faults, hardening))).toThrow(said);
  });
});
