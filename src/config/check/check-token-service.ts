/**
 * Checks the token service, the routes that belong to it, and the authenticators that trust it.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */

import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, RouteConfig, TokenServiceConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';
import { checkSharing } from './check-store.js';

/** Which method each endpoint takes. */
const METHOD_OF_ENDPOINT = { issue: 'POST', refresh: 'POST', revoke: 'POST', keys: 'GET' } as const;

export function checkTokenService(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const service = config.tokenService;
  const isKnown = service !== undefined || findings.hasUnder('/tokenService');
  checkKeys(config, findings);
  if (service?.shared === true) checkSharing(config, '/tokenService/shared', findings);
  for (const [index, route] of (config.routes ?? []).entries()) {
    if (route?.tokenService === undefined) continue;
    checkRoute(route, pointerOf('routes', index), findings);
    if (!isKnown) findings.addKey(pointerOf('routes', index, 'tokenService'), MISSING);
  }
  for (const [name, one] of Object.entries(config.authenticators ?? {})) {
    if (one?.type !== 'jwt' || one.tokenService !== true) continue;
    const at = pointerOf('authenticators', name, 'tokenService');
    if (!isKnown) findings.addKey(at, MISSING);
    if (service === undefined) continue;
    const algorithm = service.algorithm ?? DEFAULTS.tokenService.algorithm;
    if (one.algorithms !== undefined && !one.algorithms.includes(algorithm)) {
      findings.addKey(at, `algorithms must hold ${algorithm}, by which the token service signs`);
    }
    checkSame(service, one, { name, findings });
  }
}

/** Keys that nobody keeps, and places where nobody looks for keys. */
function checkKeys(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const { keys } = config;
  const managed = Object.entries(config.authenticators ?? {}).filter(
    ([, one]) => one?.type === 'apiKey' && one.managed === true,
  );
  const isKnown = keys !== undefined || findings.hasUnder('/keys');
  for (const [name] of isKnown ? [] : managed) {
    const how = 'needs keys, which say where keys are kept: keys: { file: "keys.json" }';
    findings.addValue(pointerOf('authenticators', name, 'managed'), how);
  }
  if (keys === undefined || findings.hasUnder('/keys')) return;
  const { store = false, file, memory = false } = keys;
  const ways = Number(store) + Number(file !== undefined) + Number(memory);
  if (ways !== 1) findings.addValue('/keys', 'needs one of store: true, file, memory: true');
  if (store) checkSharing(config, '/keys/store', findings);
  if (managed.length === 0 && !findings.hasUnder('/authenticators')) {
    findings.addKey('/keys', 'no authenticator accepts such keys: set managed: true in one');
  }
}

const MISSING = 'there is no tokenService in the configuration';

function checkRoute(route: SoundPart<RouteConfig>, at: string, findings: Findings): void {
  const { tokenService: endpoint, authenticate, anonymous, match } = route;
  if (endpoint === undefined) return;
  if (endpoint === 'issue' && authenticate === undefined && !findings.hasUnder(at)) {
    findings.addKey(`${at}/tokenService`, 'issue needs authenticate: whom the tokens are for');
  }
  if (endpoint === 'issue' && anonymous === 'allow') {
    findings.addValue(`${at}/anonymous`, 'issue needs to know whom the tokens are for');
  }
  const method = METHOD_OF_ENDPOINT[endpoint];
  if (findings.hasUnder(`${at}/match`)) return;
  const isRight = match?.methods?.length === 1 && match.methods[0] === method;
  if (!isRight) findings.addKey(`${at}/tokenService`, `${endpoint} needs methods: [${method}]`);
}

/** Tokens that would all be refused are a mistake. */
function checkSame(
  service: SoundPart<TokenServiceConfig>,
  authenticator: {
    readonly issuer?: string | undefined;
    readonly audience?: string | readonly (string | undefined)[] | undefined;
  },
  { name, findings }: { readonly name: string; readonly findings: Findings },
): void {
  for (const field of ['issuer', 'audience'] as const) {
    const wanted = authenticator[field];
    const own = service[field];
    if (wanted === undefined || own === undefined || [wanted].flat().includes(own)) continue;
    const at = pointerOf('authenticators', name, field);
    findings.addValue(at, `must be the ${field} of tokenService`);
  }
}
