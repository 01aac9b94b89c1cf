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

const SOURCES = ['file', 'http'] as const;

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
  checkHttp(`${pointer}/http`, discovery.http, findings);
}

function checkHttp(pointer: string, http: SoundDiscovery['http'], findings: Findings): void {
  if (http?.url === undefined) return;
  const url = URL.canParse(http.url) ? new URL(http.url) : null;
  if (url === null) findings.addValue(`${pointer}/url`, 'is no URL');
  else if (url.username !== '' || url.password !== '') {
    findings.addValue(`${pointer}/url`, 'must not carry user information; take token');
  } else if (url.protocol === 'http:' && http.token !== undefined && !isLoopback(url.hostname)) {
    findings.addKey(`${pointer}/token`, 'would go over the network in the clear; take https');
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
