/**
 * Checks that faults are injected only where the gateway allows it.
 *
 * Thread: any (pure). A part of check-meaning.ts.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

export function checkFaults(
  { routes = [], hardening = {} }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  const { faults: allowed = DEFAULTS.hardening.faults } = hardening;
  for (const [index, route] of routes.entries()) {
    if (route?.faults === undefined) continue;
    const pointer = pointerOf('routes', index, 'faults');
    const { delay, abort } = route.faults;
    if (allowed !== 'allow') {
      findings.addKey(pointer, 'needs hardening.faults: allow, since it makes requests fail');
    }
    if (delay === undefined && abort === undefined && !findings.hasUnder(pointer)) {
      findings.addValue(pointer, 'needs delay, abort or both');
    }
  }
}
