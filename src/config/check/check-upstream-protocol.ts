/**
 * Checks that the targets of an upstream can be spoken with in its protocol.
 *
 * Thread: any (pure). A part of check-meaning.ts; skips what the shape check has reported.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { TargetConfig, UpstreamConfig } from '../gateway-config.js';
import { discoveryIn, listedTargets } from '../references/listed-targets.js';
import { parseTargetUrl } from '../references/target-url.js';
import { DEFAULTS } from '../schema/defaults.js';

export function checkUpstreamProtocol(
  name: string,
  upstream: SoundPart<UpstreamConfig>,
  findings: Findings,
): void {
  const { protocol = DEFAULTS.upstream.protocol, http2 } = upstream;
  const targets = listedTargets<SoundPart<TargetConfig> | undefined>(upstream.targets);
  if (protocol === 'http1' && http2 !== undefined) {
    const message = 'only for protocol h2, h2c or auto: no target is spoken with over HTTP/2';
    findings.addKey(pointerOf('upstreams', name, 'http2'), message);
  }
  if (protocol !== 'h2' && protocol !== 'h2c') return;
  const discovery = discoveryIn(upstream.targets);
  if (discovery !== undefined) {
    const { scheme = DEFAULTS.upstream.discovery.scheme } = discovery;
    const needed = protocol === 'h2' ? 'https' : 'http';
    if (scheme === needed) return;
    const message = `protocol ${protocol} needs scheme ${needed}`;
    findings.addValue(pointerOf('upstreams', name, 'targets', 'scheme'), message);
    return;
  }
  for (const [index, target] of targets.entries()) {
    const parsed = target?.url === undefined ? null : parseTargetUrl(target.url);
    // What is wrong otherwise is told elsewhere.
    if (parsed === null || !parsed.isValid || parsed.target.tls === (protocol === 'h2')) continue;
    const message =
      protocol === 'h2'
        ? 'protocol h2 needs https; over http take protocol h2c'
        : 'protocol h2c needs http; over https take protocol h2';
    findings.addValue(pointerOf('upstreams', name, 'targets', index, 'url'), message);
  }
}
