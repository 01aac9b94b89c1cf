/**
 * Checks what a schema cannot say of an upstream's targets, balancing, breaker and health.
 *
 * Thread: any (pure). A part of check-meaning.ts; skips what the shape check has reported.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { parseDurationMs } from '../../base/quantities.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { TargetConfig, UpstreamConfig } from '../gateway-config.js';
import { discoveryIn, listedTargets } from '../references/listed-targets.js';
import { nameOfTarget } from '../references/target-addresses.js';
import { parseTargetUrl } from '../references/target-url.js';
import { DEFAULTS } from '../schema/defaults.js';

const { upstream: defaults } = DEFAULTS;

type SoundUpstream = SoundPart<UpstreamConfig>;
type SoundTarget = SoundPart<TargetConfig> | undefined;

export function checkTargetPolicies(
  name: string,
  upstream: SoundUpstream,
  findings: Findings,
): void {
  checkWeights(name, upstream, findings);
  checkBackups(name, upstream, findings);
  checkPolicyFields(name, upstream, findings);
  checkStatuses(name, upstream, findings);
  checkResolve(name, upstream, findings);
  checkAtLeast(findings, {
    value: upstream.circuitBreaker?.openForMax,
    least: upstream.circuitBreaker?.openFor ?? defaults.circuitBreaker.openFor,
    pointer: pointerOf('upstreams', name, 'circuitBreaker', 'openForMax'),
    leastName: 'openFor',
  });
  checkAtLeast(findings, {
    value: upstream.outlierDetection?.maxEjectionTime,
    least:
      upstream.outlierDetection?.baseEjectionTime ?? defaults.outlierDetection.baseEjectionTime,
    pointer: pointerOf('upstreams', name, 'outlierDetection', 'maxEjectionTime'),
    leastName: 'baseEjectionTime',
  });
}

/** A weight that changes nothing would be believed to. */
function checkWeights(name: string, upstream: SoundUpstream, findings: Findings): void {
  const policy = upstream.loadBalancing?.policy ?? defaults.loadBalancing.policy;
  if (policy !== 'roundRobin') return;
  for (const [index, target] of listedTargets<SoundTarget>(upstream.targets).entries()) {
    if (target?.weight === undefined || target.weight === defaults.target.weight) continue;
    const pointer = pointerOf('upstreams', name, 'targets', index, 'weight');
    findings.addValue(pointer, 'roundRobin knows no weights; take policy weightedRoundRobin');
  }
}

function checkBackups(name: string, upstream: SoundUpstream, findings: Findings): void {
  const targets = listedTargets<SoundTarget>(upstream.targets);
  if (targets.length === 0 || targets.some((target) => target?.backup !== true)) return;
  findings.addValue(pointerOf('upstreams', name, 'targets'), 'at least one must not be a backup');
}

function checkPolicyFields(name: string, upstream: SoundUpstream, findings: Findings): void {
  const { loadBalancing = {} } = upstream;
  const policy = loadBalancing.policy ?? defaults.loadBalancing.policy;
  const owners = { choices: 'leastRequest', hashOn: 'consistentHash' } as const;
  for (const [field, owner] of Object.entries(owners)) {
    if (loadBalancing[field as keyof typeof owners] === undefined || policy === owner) continue;
    const pointer = pointerOf('upstreams', name, 'loadBalancing', field);
    findings.addValue(pointer, `only for policy ${owner}, not ${policy}`);
  }
}

function checkStatuses(
  name: string,
  { healthCheck = {} }: SoundUpstream,
  findings: Findings,
): void {
  for (const [index, text] of (healthCheck.expectedStatuses ?? []).entries()) {
    if (text === undefined) continue;
    const [first = 0, last = first] = String(text).split('-').map(Number);
    if (first <= last) continue;
    const pointer = pointerOf('upstreams', name, 'healthCheck', 'expectedStatuses', index);
    findings.addValue(pointer, 'the range ends before it begins');
  }
  if (healthCheck.type !== 'tcp') return;
  for (const field of ['path', 'host', 'expectedStatuses'] as const) {
    if (healthCheck[field] === undefined) continue;
    findings.addValue(pointerOf('upstreams', name, 'healthCheck', field), 'only for type http');
  }
}

/** Who asks for it has names in mind, and would wait for something to happen. */
function checkResolve(
  name: string,
  { resolve, targets: written }: SoundUpstream,
  findings: Findings,
): void {
  if (resolve === undefined) return;
  if (discoveryIn(written) !== undefined) {
    const message = 'only for targets that are listed: their source says how often it is asked';
    findings.addKey(pointerOf('upstreams', name, 'resolve'), message);
    return;
  }
  const targets = listedTargets<SoundTarget>(written);
  for (const target of targets) {
    const parsed = target?.url === undefined ? null : parseTargetUrl(target.url);
    // What is wrong otherwise is told elsewhere.
    if (parsed === null || !parsed.isValid || nameOfTarget(parsed.target) !== '') return;
  }
  const message = 'no target has a host name: there is nothing to look up';
  findings.addKey(pointerOf('upstreams', name, 'resolve'), message);
}

interface LeastDuration {
  readonly value: string | undefined;
  readonly least: string;
  readonly pointer: string;
  readonly leastName: string;
}

function checkAtLeast(findings: Findings, { value, least, pointer, leastName }: LeastDuration) {
  if (value === undefined) return;
  if ((parseDurationMs(value) ?? 0) >= (parseDurationMs(least) ?? 0)) return;
  findings.addValue(pointer, `must be at least ${leastName}, which is ${least}`);
}
