/**
 * Checks logins in a browser, and the routes that serve their paths.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */
import { pointerOf } from '../../base/json-pointer.js';
import { RESERVED_FIELDS } from '../../base/reserved-fields.js';
import { urlProblem } from '../../base/safe-url.js';
import { parsePathPattern } from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, OidcAuthenticatorConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';
import { checkSharing } from './check-store.js';

const { oidc: defaults } = DEFAULTS;

/** The paths that a login has, as the configuration or the defaults have them. */
const PATH_KEYS = ['redirectPath', 'logoutPath', 'backchannelLogoutPath'] as const;

export function checkLogins(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const { authenticators = {}, routes = [] } = config;
  const served = new Map<string, string[]>();
  for (const [index, route] of routes.entries()) {
    const name = route?.login;
    if (name === undefined) continue;
    const at = pointerOf('routes', index);
    const known = authenticators[name];
    if (known?.type === 'oidc') {
      served.set(name, [...(served.get(name) ?? []), route?.match?.path ?? '']);
    } else if (!findings.hasUnder(pointerOf('authenticators', name))) {
      findings.addValue(`${at}/login`, `no authenticator of type oidc has the name "${name}"`);
    }
    if (route?.authenticate !== undefined) {
      findings.addKey(`${at}/authenticate`, 'who logs in is not known yet: leave it out here');
    }
    if (route?.match?.methods !== undefined) {
      findings.addKey(`${at}/match/methods`, 'a login needs GET and POST: leave it out here');
    }
  }
  const cookies = new Map<string, string>();
  for (const [name, one] of Object.entries(authenticators)) {
    if (one?.type !== 'oidc') continue;
    checkOne(name, one, findings);
    if (one.session?.store === true) {
      checkSharing(config, pointerOf('authenticators', name, 'session', 'store'), findings);
    }
    checkServed(name, one, { paths: served.get(name) ?? [], findings });
    const cookie = one.session?.cookie ?? `sluice-${name}`;
    const other = cookies.get(cookie);
    if (other !== undefined) {
      const at = pointerOf('authenticators', name, 'session', 'cookie');
      findings.addValue(at, `the cookie of ${other}: each login needs its own`);
    }
    cookies.set(cookie, name);
  }
}

function checkOne(
  name: string,
  config: SoundPart<OidcAuthenticatorConfig>,
  findings: Findings,
): void {
  const at = (...keys: string[]): string => pointerOf('authenticators', name, ...keys);
  const { issuer, origin, allowHttp = false, accessTokenHeader } = config;
  const problem = issuer === undefined ? '' : urlProblem(issuer, allowHttp);
  if (problem !== '') findings.addValue(at('issuer'), problem);
  if (origin !== undefined && !URL.canParse(origin)) {
    findings.addValue(at('origin'), 'is no origin: host or port are not valid');
  }
  if (accessTokenHeader !== undefined && RESERVED_FIELDS.has(accessTokenHeader.toLowerCase())) {
    findings.addValue(at('accessTokenHeader'), 'the gateway itself is in charge of this field');
  }
  const paths = pathsOf(config);
  if (new Set(paths).size < paths.length) {
    findings.addKey(at(), `${PATH_KEYS.join(', ')} must be different paths`);
  }
  for (const key of Object.keys(config.parameters ?? {})) {
    if (OWN_PARAMETERS.has(key)) findings.addKey(at('parameters', key), 'the gateway sets it');
  }
}

const OWN_PARAMETERS: ReadonlySet<string> = new Set([
  ...['client_id', 'client_secret', 'redirect_uri', 'response_type', 'response_mode', 'scope'],
  ...['state', 'nonce', 'code_challenge', 'code_challenge_method', 'request', 'request_uri'],
]);

function pathsOf(config: SoundPart<OidcAuthenticatorConfig>): string[] {
  const { redirectPath = defaults.redirectPath, logoutPath = defaults.logoutPath } = config;
  const { backchannelLogoutPath } = config;
  const all = [redirectPath, logoutPath, backchannelLogoutPath];
  return all.filter((path) => path !== undefined);
}

/** A login that no route serves would send browsers to a page that does not exist. */
function checkServed(
  name: string,
  config: SoundPart<OidcAuthenticatorConfig>,
  { paths, findings }: { readonly paths: readonly string[]; readonly findings: Findings },
): void {
  if (findings.hasUnder('/routes') || findings.hasUnder(pointerOf('authenticators', name))) return;
  const missing = pathsOf(config).filter((path) => !paths.some((one) => covers(one, path)));
  const [first] = missing;
  if (first === undefined) return;
  const text = `no route with login: ${name} has the path ${first}`;
  findings.addKey(pointerOf('authenticators', name), text);
}

/** `pattern` is the path of a route; '': a regular expression, of which nothing is said. */
function covers(pattern: string, path: string): boolean {
  if (pattern === '' || pattern === path) return true;
  const parsed = parsePathPattern(pattern);
  if (!parsed.isValid) return true;
  const parts = path.slice(1).split('/');
  for (const [index, segment] of parsed.segments.entries()) {
    if (segment.kind === 'wildcard') return true;
    if (segment.kind === 'literal' && segment.text !== parts[index]) return false;
  }
  return parsed.segments.length === parts.length;
}
