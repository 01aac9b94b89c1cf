import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import type { GatewayConfig, LoadBalancingConfig } from '../../../../src/config/gateway-config.js';
import {
  cookieValue,
  TargetPreference,
} from '../../../../src/worker/admission/target-preference.js';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import { upstreamOfRoute } from '../../../../src/worker/route/worker-route.js';
import { compileConfig } from '../../../support/compile-config.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { noSlots } from '../../../support/no-slots.js';
import { workerRoutesOf } from '../../../support/served-config.js';

function aPreference(loadBalancing: LoadBalancingConfig, key = 7) {
  const targets = [{ url: 'http://10.0.0.1:80' }, { url: 'http://10.0.0.2:80' }];
  const source: GatewayConfig = {
    upstreams: { api: { targets, loadBalancing } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
  const config = compileConfig(source);
  const [route] = workerRoutesOf(config);
  if (route === undefined) throw new Error('no route');
  const preference = new TargetPreference(config, new HalfSipHash(key, 9), noSlots());
  return {
    preference,
    look: (fields: readonly string[], clientIp = '10.9.9.9', path = '/'): Exchange => {
      const exchange = makeExchange({ target: path, clientIp, fields, route });
      preference.look(exchange, upstreamOfRoute(route));
      return exchange;
    },
  };
}

function answeredBy(exchange: Exchange, targetIndex: number): Exchange {
  exchange.admission.onAdmitted(targetIndex, 0);
  return exchange;
}

describe('what a request hashes to', () => {
  it.each([
    ['clientIp', [], [], false],
    ['path', [], [], true],
    ['header:X-User', ['x-user', 'a'], ['x-user', 'b'], true],
    ['cookie:id', ['cookie', 'x=1; id=a'], ['cookie', 'id=b; x=1'], true],
  ] as const)('goes by %s', (hashOn, one, other, differs) => {
    const { look } = aPreference({ policy: 'consistentHash', hashOn });
    const first = look(one, '10.0.0.1', '/a').admission.balanceHash;
    expect(
      look(one, hashOn === 'clientIp' ? '10.0.0.1' : '10.0.0.2', '/a').admission.balanceHash,
    ).toBe(first);
    const second = look(other, '10.0.0.1', hashOn === 'path' ? '/b' : '/a').admission.balanceHash;
    expect(second !== first).toBe(differs);
  });

  it('goes by the client where the header or the cookie is missing', () => {
    for (const hashOn of ['header:X-User', 'cookie:id'] as const) {
      const { look } = aPreference({ policy: 'consistentHash', hashOn });
      expect(look([], '10.0.0.1').admission.balanceHash).toBe(
        look([], '10.0.0.1').admission.balanceHash,
      );
      expect(look([], '10.0.0.1').admission.balanceHash).not.toBe(
        look([], '10.0.0.2').admission.balanceHash,
      );
    }
  });
});

describe('the cookie of a target', () => {
  const STICKY = { stickyCookie: { name: 'home' } };

  function cookieOf(targetIndex: number, key?: number): string {
    const { preference, look } = aPreference(STICKY, key);
    const field = preference.cookieField(answeredBy(look([]), targetIndex));
    return (
      /^\r\nSet-Cookie: (home=[0-9a-f]{32}); Path=\/; HttpOnly; SameSite=Lax$/.exec(field)?.[1] ??
      ''
    );
  }

  it('names its target to this process and tells nobody else', () => {
    const [first, second] = [cookieOf(0), cookieOf(1)];
    expect(first).not.toBe('');
    expect(first).not.toBe(second);
    expect(cookieOf(0, 8)).not.toBe(first);
    const { look } = aPreference(STICKY);
    expect(look(['cookie', `a=b; ${second}`]).admission.preferredTarget).toBe(1);
  });

  it('is the same for every process with the same secret, and for no other', () => {
    const withSecret = (secret: string, key: number) => {
      const { preference, look } = aPreference({ stickyCookie: { name: 'home', secret } }, key);
      return preference.cookieField(answeredBy(look([]), 0));
    };
    const secret = 'a secret that all gateways know, and no client';
    expect(withSecret(secret, 1)).toMatch(/home=[0-9a-f]{32};/);
    expect(withSecret(secret, 2)).toBe(withSecret(secret, 1));
    expect(withSecret(`${secret}.`, 1)).not.toBe(withSecret(secret, 1));
  });

  it('is set anew when the reply comes from another target, and only then', () => {
    const { preference, look } = aPreference(STICKY);
    const exchange = look(['cookie', cookieOf(1)]);
    expect(preference.cookieField(answeredBy(exchange, 1))).toBe('');
    expect(preference.cookieField(answeredBy(exchange, 0))).toContain('home=');
  });

  it('names the target of the reply where a reload has put targets into another order', () => {
    const urls = ['http://10.0.0.1:80', 'http://10.0.0.2:80'];
    const configOf = (targets: readonly string[]) =>
      compileConfig({
        upstreams: { api: { targets: targets.map((url) => ({ url })), loadBalancing: STICKY } },
        routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
      });
    const before = configOf(urls);
    const [route] = workerRoutesOf(before);
    if (route === undefined) throw new Error('no route');
    const preference = new TargetPreference(before, new HalfSipHash(7, 9), noSlots());
    const exchange = answeredBy(makeExchange({ target: '/', route }), 0);
    const first = preference.cookieField(exchange);
    expect(first).toContain('home=');
    const [upstream] = before.upstreams;
    if (upstream === undefined) throw new Error('no upstream');
    const reordered = { ...upstream, targetIndexes: upstream.targetIndexes.toReversed() };
    preference.adopt({ ...before, upstreams: [reordered] });
    expect(preference.cookieField(exchange)).toBe(first);
  });

  it.each([
    '',
    'home=',
    'home=00000000000000000000000000000000',
    'home',
    'homes=1; ;=; home x',
    'home=__proto__',
  ])('is as good as none when it is made up: %s', (cookie) => {
    expect(aPreference(STICKY).look(['cookie', cookie]).admission.preferredTarget).toBe(-1);
  });

  it('is not there without the setting', () => {
    const { preference, look } = aPreference({});
    const exchange = answeredBy(look([]), 0);
    expect(preference.cookieField(exchange)).toBe('');
  });
});

describe('cookieValue', () => {
  it.each([
    ['a=1; b=2', 'b', '2'],
    ['a=1;b=2', 'a', '1'],
    ['b=x=y', 'b', 'x=y'],
    [' b = 2 ', 'b', '2'],
    ['b=1; b=2', 'b', '1'],
    ['a; b=2', 'b', '2'],
    ['a; b', 'a', ''],
    ['', 'a', ''],
  ])('of %j for %s is %j', (field, name, value) => {
    expect(cookieValue(field, name)).toBe(value);
  });
});
