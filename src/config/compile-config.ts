/**
 * Turns the configuration that a user wrote into the one that the threads use.
 *
 * Thread: acceptor. Fills in defaults, turns names into indexes and units into numbers. The
 * result is frozen to the bottom: every thread gets a copy, and none may change it.
 */
import { availableParallelism } from 'node:os';
import { defined } from '../base/assert.js';
import { normalizeAddressRange } from './address-range.js';
import { checkConfig } from './check-config.js';
import { compileAuthenticators, compileTokenService } from './compile-authenticators.js';
import { compileIpFilter, compileVersioning } from './compile-filters.js';
import { compileObservability } from './compile-observability.js';
import { compileAdaptiveConcurrency } from './compile-overload.js';
import { compileHedge, compileRetry } from './compile-retry.js';
import { compileRoutes } from './compile-routes.js';
import {
  compileBalancing,
  compileBreaker,
  compileHealthCheck,
  compileOutlierDetection,
} from './compile-targets.js';
import type {
  CompiledAddress,
  CompiledConfig,
  CompiledLimits,
  CompiledTarget,
  CompiledUpstream,
  RowCapacity,
} from './compiled-config.js';
import { ConfigError } from './config-error.js';
import { displayPath } from './config-pointer.js';
import { DEFAULTS, defaultWorkerCount } from './defaults.js';
import type { GatewayConfig, UpstreamConfig } from './gateway-config.js';
import { parseDurationMs, parseSizeBytes } from './quantities.js';
import {
  expandTarget,
  NO_ADDRESSES,
  nameOfTarget,
  type TargetAddresses,
} from './target-addresses.js';
import { parseTargetUrl, type TargetUrl } from './target-url.js';

const MEBIBYTE = 2 ** 20;

/** What the outcome depends on besides the configuration itself. */
export interface CompileOptions {
  /** Version of the configuration; raised by each reload. */
  readonly epoch?: number;
  /** Cores of the machine, from which the default number of workers follows. */
  readonly coreCount?: number;
  /** What names of targets point to, for upstreams that ask for it. */
  readonly addresses?: TargetAddresses;
}

/** Checks and compiles. Throws {@link ConfigError} with everything that is wrong. */
export function compileConfig(config: GatewayConfig, options: CompileOptions = {}): CompiledConfig {
  const result = checkConfig(config);
  if (!result.isValid) {
    const issues = result.findings.map(({ pointer, message }) => {
      return { path: displayPath(pointer), line: 0, column: 0, message };
    });
    throw new ConfigError('', issues);
  }
  const { epoch = 1, coreCount = availableParallelism() } = options;
  const authenticators = compileAuthenticators(config.authenticators ?? {});
  const { addresses = NO_ADDRESSES } = options;
  const { upstreams, targets } = compileUpstreams(config.upstreams, addresses);
  const { routes, limiters } = compileRoutes(config, { authenticators, upstreams });
  const { grace = DEFAULTS.shutdown.grace, delay = DEFAULTS.shutdown.delay } =
    config.shutdown ?? {};
  return deepFreeze({
    epoch,
    capacity: rowCapacity({ routes, upstreams, targets, limiters }),
    listen: compileAddress(config.listen, DEFAULTS.listen),
    admin: {
      ...compileAddress(config.admin, DEFAULTS.admin),
      token: config.admin?.token ?? '',
      allowedHosts: (config.admin?.allowedHosts ?? []).map((host) => host.toLowerCase()),
    },
    workers: config.workers ?? defaultWorkerCount(coreCount),
    trustedProxies: (config.trustedProxies ?? []).map((proxy) =>
      defined(normalizeAddressRange(proxy), 'a checked range'),
    ),
    hardening: { ...DEFAULTS.hardening, ...config.hardening },
    acceptsRequestIdOf: config.requestId?.accept ?? DEFAULTS.requestId.accept,
    ipFilter: config.ipFilter === undefined ? null : compileIpFilter(config.ipFilter),
    versioning: compileVersioning(config),
    limits: compileLimits(config.limits ?? {}),
    ...compileObservability(config),
    reload: { watch: config.reload?.watch ?? DEFAULTS.reload.watch },
    shutdown: { graceMs: durationMs(grace), delayMs: durationMs(delay) },
    authenticators,
    tokenService: compileTokenService(config.tokenService),
    upstreams,
    targets,
    limiters,
    routes,
  });
}

/** Memory that nobody touches costs nothing: there is room for versions beside one another. */
const ROWS_MIN = 1024;
const ROWS_PER_USE = 4;

function rowCapacity(
  used: Readonly<Record<keyof RowCapacity, { readonly length: number }>>,
): RowCapacity {
  const rows = ({ length }: { readonly length: number }): number =>
    Math.max(ROWS_MIN, length * ROWS_PER_USE);
  return {
    routes: rows(used.routes),
    upstreams: rows(used.upstreams),
    targets: rows(used.targets),
    limiters: rows(used.limiters),
  };
}

function compileAddress(
  address: { readonly host?: string; readonly port?: number } = {},
  defaults: CompiledAddress,
): CompiledAddress {
  return { host: address.host ?? defaults.host, port: address.port ?? defaults.port };
}

function compileLimits(limits: NonNullable<GatewayConfig['limits']>): CompiledLimits {
  return {
    headerBytes: sizeBytes(limits.headerBytes ?? DEFAULTS.limits.headerBytes),
    bodyBytes: sizeBytes(limits.bodyBytes ?? DEFAULTS.limits.bodyBytes),
    trackedClients: limits.trackedClients ?? DEFAULTS.limits.trackedClients,
    inFlight: limits.inFlight ?? DEFAULTS.limits.inFlight,
    connections: limits.connections ?? DEFAULTS.limits.connections,
    connectionsPerAddress: limits.connectionsPerAddress ?? DEFAULTS.limits.connectionsPerAddress,
    countsLoopback: limits.connectionsPerAddress !== undefined,
    bodyRate: sizeBytes(limits.bodyRate ?? DEFAULTS.limits.bodyRate),
    laneDepth: limits.laneDepth ?? DEFAULTS.limits.laneDepth,
    queueMs: durationMs(limits.queueTime ?? DEFAULTS.limits.queueTime),
    workerHeapBytes: wholeMebibytes(limits.workerHeap),
  };
}

interface CompiledUpstreams {
  readonly upstreams: readonly CompiledUpstream[];
  readonly targets: readonly CompiledTarget[];
}

function compileUpstreams(
  configs: Readonly<Record<string, UpstreamConfig>>,
  addresses: TargetAddresses,
): CompiledUpstreams {
  const targets: CompiledTarget[] = [];
  const { target: defaults } = DEFAULTS.upstream;
  const upstreams = Object.entries(configs).map(([name, config], index) => {
    const known = config.resolve === undefined ? NO_ADDRESSES : addresses;
    const indexes = new Map<string, number>();
    for (const { url, weight, backup } of config.targets) {
      for (const address of expandTarget(targetUrl(url), known)) {
        // Two names may point to the same address: that is one target.
        if (indexes.has(address.hostPort)) continue;
        indexes.set(address.hostPort, targets.length);
        targets.push({
          index: targets.length,
          upstreamIndex: index,
          ...address,
          weight: weight ?? defaults.weight,
          isBackup: backup ?? defaults.backup,
        });
      }
    }
    const targetIndexes = [...indexes.values()];
    const policies = compilePolicies(config, targetIndexes.length);
    return { index, name, targetIndexes, ...policies, ...compileResolve(config) };
  });
  return { upstreams, targets };
}

function compileResolve({
  resolve,
  targets,
}: UpstreamConfig): Pick<CompiledUpstream, 'resolveMs' | 'names'> {
  if (resolve === undefined) return { resolveMs: 0, names: [] };
  const { interval = DEFAULTS.upstream.resolve.interval } = resolve;
  const names = targets.map(({ url }) => nameOfTarget(targetUrl(url)));
  return { resolveMs: durationMs(interval), names: names.filter((name) => name !== '') };
}

function compilePolicies(
  config: UpstreamConfig,
  targetCount: number,
): Omit<CompiledUpstream, 'index' | 'name' | 'targetIndexes' | 'resolveMs' | 'names'> {
  const { timeouts = {} } = config;
  const defaults = DEFAULTS.upstream;
  const response = timeouts.response ?? defaults.timeouts.response;
  return {
    loadBalancing: compileBalancing(config.loadBalancing ?? {}),
    circuitBreaker: compileBreaker(config.circuitBreaker ?? {}),
    healthCheck: config.healthCheck === undefined ? null : compileHealthCheck(config.healthCheck),
    outlierDetection:
      config.outlierDetection === undefined
        ? null
        : compileOutlierDetection(config.outlierDetection),
    timeouts: {
      connectMs: durationMs(timeouts.connect ?? defaults.timeouts.connect),
      responseMs: durationMs(response),
      idleMs: durationMs(timeouts.idle ?? defaults.timeouts.idle),
      perTryMs: Math.min(durationMs(timeouts.perTry ?? response), durationMs(response)),
    },
    adaptiveConcurrency: compileAdaptiveConcurrency(config.adaptiveConcurrency),
    retry: compileRetry(config.retry, targetCount),
    hedgeAfterMs: compileHedge(config.hedge),
  };
}

function targetUrl(url: string): TargetUrl {
  const parsed = parseTargetUrl(url);
  return defined(parsed.isValid ? parsed.target : undefined, 'a checked URL');
}

function durationMs(text: string): number {
  return defined(parseDurationMs(text), 'a checked duration');
}

function sizeBytes(size: string | number): number {
  return defined(parseSizeBytes(size), 'a checked size');
}

/** V8 takes its limit in whole MiB. */
function wholeMebibytes(size: string | number | undefined): number {
  return size === undefined ? 0 : Math.ceil(sizeBytes(size) / MEBIBYTE) * MEBIBYTE;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
