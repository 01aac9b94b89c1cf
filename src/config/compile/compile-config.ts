/**
 * Turns the configuration that a user wrote into the one that the threads use.
 *
 * Thread: loader. Fills in defaults, turns names into indexes and units into numbers. The result is
 * frozen to the bottom: every thread gets a copy, and none may change it.
 */
import { defined } from '../../base/assert.js';
import { deepFreeze } from '../../base/deep-freeze.js';
import { durationMs, sizeBytes } from '../../base/quantities.js';
import { compileVersioning } from '../../filters/versioning/options.js';
import type { CheckedConfig } from '../check/check-config.js';
import type { CompiledCanary } from '../compiled-canary.js';
import type {
  CompiledAddress,
  CompiledConfig,
  CompiledLimits,
  CompiledResolve,
  CompiledTarget,
  CompiledUpstream,
  RowCapacity,
} from '../compiled-config.js';
import type {
  CanaryConfig,
  GatewayConfig,
  ReplayConfig,
  UpstreamConfig,
} from '../gateway-config.js';
import { type MachineLimits, readMachineLimits } from '../machine-limits.js';
import { listedTargets } from '../references/listed-targets.js';
import { listenerAddress, listenersOf } from '../references/listener-reference.js';
import {
  ADDRESSES_MAX,
  expandTarget,
  NO_ADDRESSES,
  nameOfTarget,
  type TargetAddresses,
} from '../references/target-addresses.js';
import { hostOf, parseTargetUrl, type TargetUrl } from '../references/target-url.js';
import { DEFAULTS } from '../schema/defaults.js';
import { TARGETS_MAX } from '../schema/upstream-nodes.js';
import { compileGuard } from './compile-answer.js';
import {
  compileAuthenticators,
  compileKeys,
  compileTokenService,
} from './compile-authenticators.js';
import { compileDiscovery, slotTargets } from './compile-discovery.js';
import { ErrorTexts } from './compile-errors.js';
import { compileGatewayFilters, compileSharedCors } from './compile-filters.js';
import { compileKubernetes, withClusterRows } from './compile-kubernetes.js';
import { compileListeners, compileRanges } from './compile-listeners.js';
import { compileObservability } from './compile-observability.js';
import { compileAdaptiveConcurrency } from './compile-overload.js';
import { compilePlugins } from './compile-plugins.js';
import { compileHedge, compileRetry } from './compile-retry.js';
import { compilePaths, compileRoutes } from './compile-routes.js';
import { compileSpiffe } from './compile-spiffe.js';
import { compileStore } from './compile-store.js';
import { keptTargetTls, readTargetTls, type TargetTlsSource } from './compile-target-tls.js';
import {
  compileBalancing,
  compileBreaker,
  compileHealthCheck,
  compileOutlierDetection,
} from './compile-targets.js';
import { compileUpstreamProtocol } from './compile-upstream-protocol.js';
import { type ConfiguredSizes, type Sizing, sizingFor } from './sizing.js';

const MEBIBYTE = 2 ** 20;

/** What the outcome depends on besides the configuration itself. */
export interface CompileOptions {
  /** Version of the configuration; raised by each reload. */
  readonly epoch?: number;
  /** What the process may use, from which sizes follow that are not configured. */
  readonly machine?: MachineLimits;
}

/** Compiles a whole configuration. */
export function compileConfig(config: CheckedConfig, options: CompileOptions = {}): CompiledConfig {
  const { epoch = 1, machine = readMachineLimits() } = options;
  const sizing = sizingFor(machine, configuredSizes(config));
  const authenticators = compileAuthenticators(config.authenticators ?? {});
  const { upstreams, targets } = compileUpstreams(
    config.upstreams ?? {},
    NO_ADDRESSES,
    readTargetTls,
  );
  const errorTexts = new ErrorTexts();
  const errorRules = errorTexts.rulesOf(config.errors);
  const { workers } = sizing;
  const references = { authenticators, upstreams, errorTexts, workers };
  const { routes, limiters, rollouts, documents } = compileRoutes(config, references);
  const { grace = DEFAULTS.shutdown.grace, delay = DEFAULTS.shutdown.delay } =
    config.shutdown ?? {};
  const kubernetes = compileKubernetes(config.kubernetes);
  const used = { routes, upstreams, targets, limiters, rollouts };
  const rows = rowCapacity(used, namesIn(upstreams));
  return deepFreeze({
    epoch,
    capacity: withClusterRows(rows, kubernetes),
    listeners: compileListeners(config),
    admin: {
      ...compileAddress(config.admin, DEFAULTS.admin),
      token: config.admin?.token ?? '',
      allowedHosts: (config.admin?.allowedHosts ?? []).map((host) => host.toLowerCase()),
      replayBytes: replayBytes(config.admin?.replay),
    },
    stateDir: config.stateDir ?? '',
    machine,
    workers,
    acceptors: sizing.acceptors,
    cacheBytes: sizeBytes(config.cache?.memory ?? DEFAULTS.cache.memory),
    trustedProxies: compileRanges(config.trustedProxies ?? []),
    clientAddressField: (config.clientAddressField ?? '').toLowerCase(),
    hardening: compileHardening(config.hardening),
    paths: compilePaths(config.paths),
    acceptsRequestIdOf: config.requestId?.accept ?? DEFAULTS.requestId.accept,
    via: compileVia(config.via ?? DEFAULTS.via),
    filters: compileGatewayFilters(config),
    cors: compileSharedCors(config),
    errors: { texts: errorTexts.texts, rules: errorRules },
    documents,
    versioning: config.versioning === undefined ? null : compileVersioning(config.versioning),
    limits: compileLimits(config.limits ?? {}, sizing),
    ...compileObservability(config),
    reload: {
      watch: config.reload?.watch ?? DEFAULTS.reload.watch,
      canary: compileCanary(config.reload?.canary),
    },
    shutdown: { graceMs: durationMs(grace), delayMs: durationMs(delay) },
    authenticators,
    tokenService: compileTokenService(config.tokenService),
    keys: compileKeys(config.keys),
    store: compileStore(config.store),
    plugins: compilePlugins(config.plugins),
    kubernetes,
    spiffe: compileSpiffe(config),
    upstreams,
    targets,
    limiters,
    rollouts,
    routes,
  });
}

/**
 * The same configuration with a target for each of these addresses, in upstreams that ask for it.
 * `upstreams`: as they were written, from which the configuration was made.
 */
export function withAddresses<T extends Pick<CompiledConfig, 'upstreams' | 'targets'>>(
  upstreams: GatewayConfig['upstreams'],
  compiled: T,
  addresses: TargetAddresses,
): T {
  if (addresses.size === 0 || namesIn(compiled.upstreams) === 0) return compiled;
  const made = compileUpstreams(upstreams ?? {}, addresses, keptTargetTls(compiled));
  return { ...compiled, ...deepFreeze(made) };
}

/** Memory that nobody touches costs nothing: there is room for versions beside one another. */
const ROWS_MIN = 1024;
const ROWS_PER_USE = 4;
/** Few routes are rolled out at a time. */
const ROLLOUT_ROWS_MIN = 64;
/** Few names have more addresses; those that do use the room of versions beside one another. */
const ADDRESSES_PER_NAME = 16;

function rowCapacity(
  used: Readonly<Record<keyof RowCapacity, { readonly length: number }>>,
  nameCount: number,
): RowCapacity {
  const rows = (count: number): number => Math.max(ROWS_MIN, count * ROWS_PER_USE);
  return {
    routes: rows(used.routes.length),
    upstreams: rows(used.upstreams.length),
    targets: rows(used.targets.length + nameCount * ADDRESSES_PER_NAME),
    limiters: rows(used.limiters.length),
    rollouts: Math.max(ROLLOUT_ROWS_MIN, used.rollouts.length * ROWS_PER_USE),
  };
}

function namesIn(upstreams: readonly CompiledUpstream[]): number {
  return upstreams.reduce((total, { resolve }) => total + (resolve?.names.length ?? 0), 0);
}

/** Whether faults are allowed is known by then. */
function compileHardening(hardening: GatewayConfig['hardening']): CompiledConfig['hardening'] {
  const { faults: _faults, ...rest } = {
    pathParameters: '' as const,
    ...DEFAULTS.hardening,
    ...hardening,
  };
  return rest;
}

function compileAddress(
  address: { readonly host?: string; readonly port?: number } = {},
  defaults: CompiledAddress,
): CompiledAddress {
  return { host: address.host ?? defaults.host, port: address.port ?? defaults.port };
}

function compileCanary(canary: boolean | CanaryConfig = false): CompiledCanary | null {
  if (canary === false) return null;
  const { rollback = {}, ...given } = canary === true ? {} : canary;
  const defaults = DEFAULTS.reload.canary;
  return {
    workers: given.workers ?? defaults.workers,
    percent: given.percent ?? defaults.percent,
    forMs: durationMs(given.for ?? defaults.for),
    guard: compileGuard({ ...defaults.rollback, ...rollback }),
  };
}

function replayBytes(replay: boolean | ReplayConfig = false): number {
  if (replay === false) return 0;
  const { memory = DEFAULTS.admin.replay.memory } = replay === true ? {} : replay;
  return sizeBytes(memory);
}

function compileVia(via: NonNullable<GatewayConfig['via']>): CompiledConfig['via'] {
  return {
    inRequests: via === 'requests' || via === 'both',
    inReplies: via === 'replies' || via === 'both',
  };
}

function configuredSizes(config: GatewayConfig): ConfiguredSizes {
  const { workers, acceptors, limits, upstreams = {} } = config;
  const { replyHeadBytes } = DEFAULTS.upstream;
  const heads = Object.values(upstreams).map((one) => one.replyHeadBytes ?? replyHeadBytes);
  if (heads.length === 0) heads.push(replyHeadBytes);
  return {
    replyHeadBytes: Math.max(...heads.map(sizeBytes)),
    needsOneAcceptor: needsOneAcceptor(config),
    ...(workers !== undefined && { workers }),
    ...(acceptors !== undefined && { acceptors }),
    ...(limits?.trackedClients !== undefined && { trackedClients: limits.trackedClients }),
    ...(limits?.workerHeap !== undefined && { workerHeapBytes: wholeMebibytes(limits.workerHeap) }),
  };
}

/**
 * uWebSockets.js stays on one thread; several gateways that share a port are its cores' threads by
 * themselves; and threads at one Unix socket get very unequal parts of its connections.
 */
function needsOneAcceptor({ listen }: GatewayConfig): boolean {
  const listeners = listenersOf(listen);
  const addresses = listeners.map(listenerAddress);
  return (
    listeners.some(({ engine }) => engine === 'uws') ||
    addresses.some((address) => address.kind === 'tcp' && address.reusePort) ||
    !addresses.some(({ kind }) => kind === 'tcp')
  );
}

function compileLimits(
  limits: NonNullable<GatewayConfig['limits']>,
  sizing: Sizing,
): CompiledLimits {
  return {
    headerBytes: sizeBytes(limits.headerBytes ?? DEFAULTS.limits.headerBytes),
    headerFields: limits.headerFields ?? DEFAULTS.limits.headerFields,
    bodyBytes: sizeBytes(limits.bodyBytes ?? DEFAULTS.limits.bodyBytes),
    bodyOnGet: limits.bodyOnGet ?? DEFAULTS.limits.bodyOnGet,
    passes: limits.passes ?? DEFAULTS.limits.passes,
    trackedClients: sizing.trackedClients,
    keySecret: limits.keySecret ?? '',
    inFlight: limits.inFlight ?? DEFAULTS.limits.inFlight,
    compressions: limits.compressions ?? DEFAULTS.limits.compressions,
    connections: limits.connections ?? DEFAULTS.limits.connections,
    connectionsPerAddress: limits.connectionsPerAddress ?? DEFAULTS.limits.connectionsPerAddress,
    countsLoopback: limits.connectionsPerAddress !== undefined,
    bodyRate: sizeBytes(limits.bodyRate ?? DEFAULTS.limits.bodyRate),
    lingerBytes: sizeBytes(limits.lingerBytes ?? DEFAULTS.limits.lingerBytes),
    laneDepth: limits.laneDepth ?? DEFAULTS.limits.laneDepth,
    queueMs: durationMs(limits.queueTime ?? DEFAULTS.limits.queueTime),
    workerHeapBytes: sizing.workerHeapBytes,
    youngGenerationMb: sizing.youngGenerationMb,
    laneRingBytes: sizing.laneRingBytes,
  };
}

/** Targets that are found differ in nothing that TLS is chosen by. */
const ANY_FOUND_TARGET: TargetUrl = { origin: '', hostPort: '', authority: '', tls: true };

interface CompiledUpstreams {
  readonly upstreams: readonly CompiledUpstream[];
  readonly targets: readonly CompiledTarget[];
}

function compileUpstreams(
  configs: Readonly<Record<string, UpstreamConfig>>,
  addresses: TargetAddresses,
  tlsOf: TargetTlsSource,
): CompiledUpstreams {
  const targets: CompiledTarget[] = [];
  const { target: defaults } = DEFAULTS.upstream;
  const upstreams = Object.entries(configs).map(([name, config], index) => {
    const resolve = compileResolve(config);
    const indexes = new Map<string, number>();
    const tlsKinds = tlsOf(name, config);
    const discovery = compileDiscovery(config);
    for (const { url, weight, backup, tls } of listedTargets(config.targets)) {
      const written = targetUrl(url);
      const tlsPlace = written.tls ? tlsKinds.placeOf(written, tls) : -1;
      const serverName = tls?.serverName ?? config.tls?.serverName ?? hostOf(written);
      for (const part of addressesOf(written, resolve, addresses)) {
        // Two names may point to one address: that is one target, of the name that stands first.
        if (indexes.has(part.origin)) continue;
        indexes.set(part.origin, targets.length);
        targets.push({
          index: targets.length,
          upstreamIndex: index,
          ...part,
          keepsHost: config.preserveHost ?? !part.tls,
          serverName,
          tlsPlace,
          weight: weight ?? defaults.weight,
          isBackup: backup ?? defaults.backup,
          isSlot: false,
        });
      }
    }
    if (discovery !== null) {
      const { isTls } = discovery;
      const shared = {
        upstreamIndex: index,
        keepsHost: config.preserveHost ?? !isTls,
        serverName: config.tls?.serverName ?? '',
        tlsPlace: isTls ? tlsKinds.placeOf(ANY_FOUND_TARGET, undefined) : -1,
      };
      for (const slot of slotTargets(discovery, shared, targets.length)) {
        indexes.set(slot.origin, slot.index);
        targets.push(slot);
      }
    }
    const targetIndexes = [...indexes.values()];
    return {
      index,
      name,
      targetIndexes,
      tls: tlsKinds.list,
      resolve,
      discovery,
      ...compilePolicies(config, targetIndexes.length),
    };
  });
  return { upstreams, targets };
}

function addressesOf(
  target: TargetUrl,
  resolve: CompiledResolve | null,
  addresses: TargetAddresses,
): TargetUrl[] {
  return resolve === null ? [target] : expandTarget(target, addresses, resolve.addressesMax);
}

function compileResolve({ resolve, targets }: UpstreamConfig): CompiledResolve | null {
  if (resolve === undefined) return null;
  const { interval = DEFAULTS.upstream.resolve.interval } = resolve;
  const listed = listedTargets(targets);
  const names = listed.map(({ url }) => nameOfTarget(targetUrl(url)));
  return {
    intervalMs: durationMs(interval),
    names: [...new Set(names)].filter((name) => name !== ''),
    addressesMax: Math.min(ADDRESSES_MAX, Math.floor(TARGETS_MAX / listed.length)),
  };
}

function compilePolicies(
  config: UpstreamConfig,
  targetCount: number,
): Omit<CompiledUpstream, 'index' | 'name' | 'targetIndexes' | 'tls' | 'resolve' | 'discovery'> {
  const { timeouts = {} } = config;
  const defaults = DEFAULTS.upstream;
  const response = timeouts.response ?? defaults.timeouts.response;
  return {
    loadBalancing: compileBalancing(config.loadBalancing ?? {}),
    circuitBreaker: compileBreaker(
      config.circuitBreaker ?? {},
      targetCount === 1 && config.resolve === undefined,
    ),
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
    replyHeadBytes: sizeBytes(config.replyHeadBytes ?? defaults.replyHeadBytes),
    ...compileUpstreamProtocol(config),
    adaptiveConcurrency: compileAdaptiveConcurrency(config.adaptiveConcurrency),
    retry: compileRetry(config.retry, targetCount),
    hedgeAfterMs: compileHedge(config.hedge),
  };
}

function targetUrl(url: string): TargetUrl {
  const parsed = parseTargetUrl(url);
  return defined(parsed.isValid ? parsed.target : undefined, 'a checked URL');
}

/** V8 takes its limit in whole MiB. */
function wholeMebibytes(size: string | number | undefined): number {
  return size === undefined ? 0 : Math.ceil(sizeBytes(size) / MEBIBYTE) * MEBIBYTE;
}
