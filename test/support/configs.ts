/** Configurations for tests: defaults, overridden by what the test is about. */

export const JWT_SECRET = 'a secret for tests that is long enough for HS256 and HS384 and HS512';

export interface RouteOverrides {
  readonly [field: string]: unknown;
}

/** One upstream `api` with these targets, one route `all` for every path. */
export function aConfig(
  targets: readonly string[],
  overrides: {
    readonly route?: RouteOverrides;
    readonly upstream?: RouteOverrides;
    readonly top?: RouteOverrides;
  } = {},
): Record<string, unknown> {
  return {
    upstreams: {
      api: { targets: targets.map((url) => ({ url })), ...overrides.upstream },
    },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api', ...overrides.route }],
    ...overrides.top,
  };
}
