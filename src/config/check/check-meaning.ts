/**
 * Checks what a schema cannot say: addresses, secrets, references, everything but routes.
 *
 * Thread: any (pure). Runs on the sound part of a configuration, so each check skips what the
 * shape check has reported already.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { parseDurationMs } from '../../base/quantities.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, TargetConfig, UpstreamConfig } from '../gateway-config.js';
import { listedTargets } from '../references/listed-targets.js';
import { parseTargetUrl } from '../references/target-url.js';
import { DEFAULTS } from '../schema/defaults.js';
import { checkAuthenticator } from './check-authenticators.js';
import { checkCallsOfRoutes } from './check-calls.js';
import { checkDiscovery } from './check-discovery.js';
import { checkErrors } from './check-errors.js';
import { checkFaults } from './check-faults.js';
import { checkGatewayFilters } from './check-filters.js';
import { checkIdentityFields } from './check-identity-fields.js';
import { checkKubernetes } from './check-kubernetes.js';
import { checkListeners, checkListenersOfRoutes, checkRanges } from './check-listeners.js';
import { checkLogins } from './check-login.js';
import { checkObservability } from './check-observability.js';
import { checkPlugins } from './check-plugins.js';
import { checkRoutes, type KnownNames } from './check-routes.js';
import { checkSpiffe } from './check-spiffe.js';
import { checkStore } from './check-store.js';
import { checkTargetTls } from './check-target-tls.js';
import { checkTargetPolicies } from './check-targets.js';
import { checkTokenService } from './check-token-service.js';
import { checkUpstreamProtocol } from './check-upstream-protocol.js';
import { checkVersions } from './check-versions.js';

/** Checks the meaning of a whole configuration. */
export function checkMeaning(
  config: SoundPart<GatewayConfig>,
  names: KnownNames,
  findings: Findings,
): void {
  checkListeners(config, findings);
  checkKubernetes(config, findings);
  checkAcceptors(config, findings);
  checkRanges(config.trustedProxies ?? [], pointerOf('trustedProxies'), findings);
  checkObservability(config, findings);
  checkGatewayFilters(config, findings);
  checkErrors(config, findings);
  for (const [name, authenticator] of Object.entries(config.authenticators ?? {})) {
    if (authenticator !== undefined) checkAuthenticator(name, authenticator, findings);
  }
  for (const [name, upstream] of Object.entries(config.upstreams ?? {})) {
    if (upstream === undefined) continue;
    checkTargets(name, upstream, findings);
    checkDiscovery(name, upstream, findings);
    checkTargetPolicies(name, upstream, findings);
    checkTargetTls(name, upstream, findings);
    checkUpstreamProtocol(name, upstream, findings);
    checkRetry(pointerOf('upstreams', name), upstream, findings);
  }
  checkRoutes(config.routes ?? [], names, findings);
  checkFaults(config, findings);
  checkCallsOfRoutes(config, findings);
  checkListenersOfRoutes(config, findings);
  checkIdentityFields(config, findings);
  checkTokenService(config, findings);
  checkLogins(config, findings);
  checkStore(config, findings);
  checkPlugins(config, findings);
  checkSpiffe(config.spiffe, findings);
  checkVersions(config, findings);
}

function checkAcceptors(
  { acceptors = 1, workers }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  if (workers === undefined || acceptors <= workers) return;
  const problem = `each acceptor has a worker of its own: at most ${workers}, as many as workers`;
  findings.addValue(pointerOf('acceptors'), problem);
}

function checkTargets(name: string, upstream: SoundPart<UpstreamConfig>, findings: Findings): void {
  const targets = listedTargets<SoundPart<TargetConfig> | undefined>(upstream.targets);
  const indexByHostPort = new Map<string, number>();
  for (const [index, target] of targets.entries()) {
    if (target?.url === undefined) continue;
    const pointer = pointerOf('upstreams', name, 'targets', index, 'url');
    const parsed = parseTargetUrl(target.url);
    if (!parsed.isValid) {
      // What may be a secret is not shown.
      const isShown = !/[?#@]/.test(target.url);
      const shown = isShown ? `, not ${findings.quote(pointer, target.url)}` : '';
      findings.addValue(pointer, `${parsed.problem}${shown}`);
      continue;
    }
    const { hostPort } = parsed.target;
    const first = indexByHostPort.get(hostPort);
    if (first === undefined) indexByHostPort.set(hostPort, index);
    else findings.addValue(pointer, `the same host and port as targets[${first}]`);
  }
}

function checkRetry(
  pointer: string,
  { targets, retry, hedge }: SoundPart<UpstreamConfig>,
  findings: Findings,
): void {
  if (hedge !== undefined && Array.isArray(targets) && targets.length === 1) {
    findings.addKey(`${pointer}/hedge`, 'hedging needs a second target');
  }
  const at = `${pointer}/retry/backOff`;
  if (retry?.backOff === undefined || findings.hasUnder(at)) return;
  const { base = DEFAULTS.upstream.retry.backOff.base } = retry.backOff;
  const { max = DEFAULTS.upstream.retry.backOff.max } = retry.backOff;
  if ((parseDurationMs(base) ?? 0) <= (parseDurationMs(max) ?? 0)) return;
  findings.addKey(at, `base (${base}) must not be longer than max (${max})`);
}
