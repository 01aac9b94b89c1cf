/**
 * Compiles where targets are found, and the rows that are kept for them.
 *
 * Thread: loader. A part of compile-config.ts.
 */
import { defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import type { CompiledTarget } from '../compiled-config.js';
import type { CompiledDiscovery, CompiledSource } from '../compiled-discovery.js';
import type {
  ConsulDiscoveryConfig,
  DiscoveryConfig,
  DnsDiscoveryConfig,
  KubernetesDiscoveryConfig,
  UpstreamConfig,
} from '../gateway-config.js';
import { discoveryIn } from '../references/listed-targets.js';
import { DEFAULTS } from '../schema/defaults.js';

const { discovery: defaults } = DEFAULTS.upstream;

/** A position of a target has a byte in the records of the coordinator. */
const ROWS_MAX = 256;
/** Rows beyond the most targets: those of targets that are gone are free only after a while. */
const SPARE_ROWS_MIN = 8;
const SPARE_ROWS_MAX = ROWS_MAX - 200;

/** null: the targets are listed. */
export function compileDiscovery({ targets }: UpstreamConfig): CompiledDiscovery | null {
  const config = discoveryIn(targets);
  if (config === undefined) return null;
  const { maxTargets = defaults.maxTargets, trustEmpty = defaults.trustEmpty } = config;
  return {
    source: compileSource(config),
    isTls: (config.scheme ?? defaults.scheme) === 'https',
    targetsMax: maxTargets,
    trustsLoss: trustEmpty,
  };
}

/** The rows of an upstream whose targets are found. */
export function slotTargets(
  { isTls, targetsMax }: CompiledDiscovery,
  common: Pick<CompiledTarget, 'upstreamIndex' | 'keepsHost' | 'tlsPlace' | 'serverName'>,
  firstIndex: number,
): CompiledTarget[] {
  return Array.from({ length: rowsForTargets(targetsMax) }, (_, at) => ({
    ...common,
    index: firstIndex + at,
    // The same row, from one version of the configuration to the next.
    origin: `slot:${at}`,
    hostPort: '',
    authority: '',
    tls: isTls,
    weight: DEFAULTS.upstream.target.weight,
    isBackup: false,
    isSlot: true,
  }));
}

/** Rows of an upstream that uses at most this number of targets. */
export function rowsForTargets(targetsMax: number): number {
  const spare = Math.ceil(targetsMax / 2);
  return targetsMax + Math.min(SPARE_ROWS_MAX, Math.max(SPARE_ROWS_MIN, spare));
}

function compileSource(config: DiscoveryConfig): CompiledSource {
  const { file, http, dns, consul, kubernetes } = config;
  if (file !== undefined) return { kind: 'file', path: file };
  if (dns !== undefined) return compileDns(dns, config.scheme ?? defaults.scheme);
  if (consul !== undefined) return compileConsul(consul);
  if (kubernetes !== undefined) return compileKubernetes(kubernetes);
  const { url, interval = defaults.http.interval, token = '' } = defined(http, 'a checked source');
  return { kind: 'http', url, intervalMs: durationMs(interval), token };
}

function compileDns(
  { name, type = defaults.dns.type, port, server }: DnsDiscoveryConfig,
  scheme: 'http' | 'https',
): CompiledSource {
  const usual = scheme === 'https' ? 443 : 80;
  return {
    kind: 'dns',
    name,
    type,
    port: type === 'SRV' ? 0 : (port ?? usual),
    server: server === undefined ? null : nameServer(server),
  };
}

function nameServer(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? text, port: Number(match?.[3] ?? 53) };
}

function compileConsul({
  service,
  url = defaults.consul.url,
  tags = [],
  datacenter = '',
  token = '',
}: ConsulDiscoveryConfig): CompiledSource {
  return { kind: 'consul', url, service, tags, datacenter, token };
}

function compileKubernetes(config: KubernetesDiscoveryConfig): CompiledSource {
  const { service, namespace = '', port = null, kubeconfig = '', context = '' } = config;
  const { mode = defaults.kubernetes.mode } = config;
  return { kind: 'kubernetes', service, namespace, port, mode, kubeconfig, context };
}
