/** Bodies of refusals, and where they stand in for those of targets: what is said of mistakes. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import { compileConfig } from '../../../support/compile-config.js';

const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:8001' }] } } as const;
const route = (name: string, more: object = {}) =>
  ({ name, match: { path: `/${name}` }, upstream: 'api', ...more }) as const;

function issuesOf(config: Partial<GatewayConfig>): readonly string[] {
  try {
    compileConfig({ upstreams, routes: [route('a')], ...config });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

/** Texts of 64 KiB, each another one. */
function bodies(first: number, count: number): NonNullable<GatewayConfig['errors']> {
  const text = (at: number): string => String(at).padEnd(65_536, 'x');
  const statuses = Array.from({ length: count }, (_, at) => String(400 + at));
  return Object.fromEntries(statuses.map((status, at) => [status, { html: text(first + at) }]));
}

describe('bodies of refusals', () => {
  it('have 4 MiB together, equal ones counted once', () => {
    const errors = bodies(0, 32);
    const same = route('a', { errors });
    expect(issuesOf({ errors, routes: [same, route('b', { errors: bodies(32, 32) })] })).toEqual(
      [],
    );
    const routes = [
      same,
      route('b', { errors: bodies(32, 32) }),
      route('c', { errors: bodies(99, 1) }),
    ];
    expect(issuesOf({ errors, routes })).toEqual([
      'routes[2].errors[400].html: with this text all texts of errors together have more than 4 MiB',
    ]);
  });

  it('are there where they are to replace those of targets', () => {
    const errors = { 404: { html: 'a' } };
    const needs = 'needs errors: there is nothing to replace a body by';
    expect(issuesOf({ upstreamErrors: [404, '5xx'] })).toEqual([`upstreamErrors: ${needs}`]);
    expect(issuesOf({ upstreamErrors: [404], errors })).toEqual([]);
    expect(issuesOf({ upstreamErrors: [404], routes: [route('a', { errors })] })).toEqual([]);
    expect(issuesOf({ routes: [route('a', { upstreamErrors: [404] })] })).toEqual([
      `routes[0].upstreamErrors: ${needs}`,
    ]);
    expect(issuesOf({ errors, routes: [route('a', { upstreamErrors: ['4xx'] })] })).toEqual([]);
    expect(issuesOf({ upstreamErrors: [] })).toEqual([]);
  });

  it.each([[399], [600], ['3xx'], ['404'], [404.5]])('stand in for no status such as %j', (one) => {
    const upstreamErrors = [one] as NonNullable<GatewayConfig['upstreamErrors']>;
    expect(issuesOf({ errors: { 404: { html: 'a' } }, upstreamErrors })).toHaveLength(1);
  });
});
