/**
 * Which fields of a configuration can change while the gateway runs.
 *
 * Thread: any (pure). Sockets, threads and tables are made once; a field that is not named here is
 * taken to be of that kind, so that a new one is refused rather than ignored.
 */
import { GATEWAY_FILTER_NODES } from '../../filters/catalog.js';
import type { GatewaySettings } from '../compiled-config.js';

/** A configuration as it was compiled, or as threads have it. */
interface RestartConfig extends GatewaySettings {
  readonly limiters?: unknown;
  readonly routes?: unknown;
  readonly facts?: unknown;
}

/** Keys that a reload can change, each with all that is below it. */
const LIVE_KEYS: readonly string[] = [
  ...['listen', 'admin.token', 'admin.allowedHosts', 'admin.replay.headers'],
  ...['trustedProxies', 'hardening', 'requestId'],
  ...['clientAddressField', 'paths', 'via'],
  ...Object.keys(GATEWAY_FILTER_NODES),
  ...['limits.headerBytes', 'limits.headerFields', 'limits.bodyBytes', 'limits.bodyOnGet'],
  ...['limits.lingerBytes', 'limits.bodyRate', 'limits.passes'],
  ...['logging.level', 'logging.accessLog', 'logging.redactQuery', 'tracing', 'errors'],
  'upstreamErrors',
  ...['reload', 'shutdown', 'authenticators', 'plugins', 'upstreams', 'routes', 'spiffe'],
];

/** Whether a reload can change the key at `path`, such as `limits.headerBytes`, and all below. */
export function isLive(path: string): boolean {
  return LIVE_KEYS.some(
    (key) => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`),
  );
}

/** Why the second cannot follow the first without a restart, a field each; empty: it can. */
export function restartReasons(before: RestartConfig, after: RestartConfig): string[] {
  const [old, now] = [new Map(fixedLeaves(before)), new Map(fixedLeaves(after))];
  const paths = new Set([...old.keys(), ...now.keys()]);
  const reasons = [...paths]
    .filter((path) => old.get(path) !== now.get(path))
    .map((path) => `${path}: ${old.get(path)} -> ${now.get(path)} takes a restart`);
  // Secrets are compared and not shown.
  if (before.limits.keySecret !== after.limits.keySecret) {
    reasons.push('limits.keySecret takes a restart');
  }
  if (JSON.stringify(before.store) !== JSON.stringify(after.store)) {
    reasons.push('store takes a restart');
  }
  if (JSON.stringify(before.kubernetes) !== JSON.stringify(after.kubernetes)) {
    reasons.push('kubernetes takes a restart');
  }
  return reasons;
}

function fixedLeaves(config: RestartConfig): [string, string][] {
  const {
    epoch: _epoch,
    listeners: _listeners,
    capacity: _capacity,
    trustedProxies: _trustedProxies,
    clientAddressField: _clientAddressField,
    hardening: _hardening,
    acceptsRequestIdOf: _acceptsRequestIdOf,
    paths: _paths,
    via: _via,
    filters: _filters,
    cors: _cors,
    errors: _errors,
    documents: _documents,
    versioning: _versioning,
    logging: { level: _level, accessLog: _accessLog, keptRecords: _keptRecords, ...logging },
    tracing: _tracing,
    reload: _reload,
    shutdown: _shutdown,
    authenticators: _authenticators,
    upstreams: _upstreams,
    targets: _targets,
    limiters: _limiters,
    rollouts: _rollouts,
    routes: _routes,
    facts: _facts,
    store: _store,
    plugins: _plugins,
    kubernetes: _kubernetes,
    spiffe: _spiffe,
    admin: { token: _token, allowedHosts: _allowedHosts, ...admin },
    limits: {
      headerBytes: _headerBytes,
      headerFields: _headerFields,
      bodyBytes: _bodyBytes,
      bodyOnGet: _bodyOnGet,
      passes: _passes,
      lingerBytes: _lingerBytes,
      bodyRate: _bodyRate,
      keySecret: _secret,
      ...limits
    },
    ...rest
  } = config;
  return leavesOf('', { ...rest, admin, limits, logging });
}

function leavesOf(path: string, value: unknown): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, part]) =>
    leavesOf(path === '' ? key : `${path}.${key}`, part),
  );
}
