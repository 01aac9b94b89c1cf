/**
 * Checks what a schema cannot say of where targets are found.
 *
 * Thread: any (pure). A part of check-meaning.ts; skips what the shape check has reported.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { DiscoveryConfig, UpstreamConfig } from '../gateway-config.js';
import { discoveryIn } from '../references/listed-targets.js';

type SoundDiscovery = SoundPart<DiscoveryConfig>;

const SOURCES = ['file', 'http', 'dns', 'consul', 'kubernetes'] as const;

export function checkDiscovery(
  name: string,
  { targets }: SoundPart<UpstreamConfig>,
  findings: Findings,
): void {
  const discovery: SoundDiscovery | undefined = discoveryIn(targets);
  if (discovery === undefined) return;
  const pointer = pointerOf('upstreams', name, 'targets');
  const sources = SOURCES.filter(
    (source) => discovery[source] !== undefined || findings.hasUnder(`${pointer}/${source}`),
  );
  if (sources.length === 0 && !findings.hasUnder(pointer)) {
    findings.addKey(pointer, `needs a source of targets: one of ${SOURCES.join(', ')}`);
  }
  for (const second of sources.slice(1)) {
    findings.addKey(`${pointer}/${second}`, `only one source: there is ${sources[0]} already`);
  }
  checkUrl(`${pointer}/http`, discovery.http, findings);
  checkUrl(`${pointer}/consul`, discovery.consul, findings);
  checkDns(`${pointer}/dns`, discovery.dns, findings);
  checkKubernetes(`${pointer}/kubernetes`, discovery.kubernetes, findings);
}

interface AskedUrl {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

function checkUrl(pointer: string, asked: AskedUrl | undefined, findings: Findings): void {
  if (asked?.url === undefined) return;
  const url = URL.canParse(asked.url) ? new URL(asked.url) : null;
  if (url === null) findings.addValue(`${pointer}/url`, 'is no URL');
  else if (url.username !== '' || url.password !== '') {
    findings.addValue(`${pointer}/url`, 'must not carry user information; take token');
  } else if (url.protocol === 'http:' && asked.token !== undefined && !isLoopback(url.hostname)) {
    findings.addKey(`${pointer}/token`, 'would go over the network in the clear; take https');
  }
}

function checkDns(pointer: string, dns: SoundDiscovery['dns'], findings: Findings): void {
  if (dns === undefined) return;
  if (dns.type === 'SRV' && dns.port !== undefined) {
    findings.addKey(`${pointer}/port`, 'SRV records have ports of their own');
  }
  const port = Number(/(?:\]|^[0-9.]+):(\d+)$/.exec(dns.server ?? '')?.[1] ?? 53);
  if (port < 1 || port > 65_535) findings.addValue(`${pointer}/server`, 'has no valid port');
}

function checkKubernetes(
  pointer: string,
  kubernetes: SoundDiscovery['kubernetes'],
  findings: Findings,
): void {
  if (kubernetes?.context === undefined || kubernetes.kubeconfig !== undefined) return;
  findings.addKey(`${pointer}/context`, 'needs kubeconfig, whose context it is');
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
