/**
 * Checks that nobody but the authenticators writes the fields that say who calls.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */

import { pointerOf } from '../../base/json-pointer.js';
import { parseTemplate } from '../../base/template-text.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { AuthenticatorConfig, GatewayConfig, RouteConfig } from '../gateway-config.js';
import { upstreamsOfRoute } from '../references/route-upstreams.js';

/** A field that a route writes into requests. */
interface WrittenField {
  readonly field: string;
  /** Below `rewrite.headers`. */
  readonly keys: readonly [string, string];
  /** Its value may be what a client wants it to be. */
  readonly isClients: boolean;
}

/**
 * Fields that two parts of the configuration would set: the upstream could read either. And on
 * other routes to the same upstream those that a client could set by way of a rewrite.
 */
export function checkIdentityFields(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const owners = ownersByUpstream(config);
  for (const [index, route] of (config.routes ?? []).entries()) {
    for (const { field, keys, isClients } of writtenFields(route)) {
      const at = pointerOf('routes', index, 'rewrite', 'headers', ...keys);
      const ofUpstream = ownersOf(route, owners, field.toLowerCase());
      const own = ofUpstream.filter((name) => route?.authenticate?.includes(name));
      for (const name of own) {
        findings.addKey(at, `the authenticator ${name} sets the field ${field}`);
      }
      const [other] = ofUpstream;
      if (own.length > 0 || other === undefined || !isClients) continue;
      const where = `the authenticator ${other} sets the field ${field} on another route`;
      findings.addKey(at, `${where} to this upstream: a client must not choose its value`);
    }
  }
}

/** Names of the authenticators that set a field, by upstream and field in lower case. */
function ownersByUpstream({
  routes = [],
  authenticators = {},
}: SoundPart<GatewayConfig>): ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> {
  const byUpstream = new Map<string, Map<string, string[]>>();
  for (const route of routes) {
    for (const upstream of upstreamsOfRoute(route ?? {})) {
      const fields = byUpstream.get(upstream) ?? new Map<string, string[]>();
      byUpstream.set(upstream, fields);
      addOwners(fields, route?.authenticate ?? [], authenticators);
    }
  }
  return byUpstream;
}

function addOwners(
  fields: Map<string, string[]>,
  names: readonly (string | undefined)[],
  authenticators: NonNullable<SoundPart<GatewayConfig>['authenticators']>,
): void {
  for (const name of names) {
    if (name === undefined) continue;
    for (const field of ownedFields(authenticators[name])) {
      const known = fields.get(field) ?? [];
      if (!known.includes(name)) fields.set(field, [...known, name]);
    }
  }
}

function ownersOf(
  route: SoundPart<RouteConfig> | undefined,
  owners: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>,
  field: string,
): readonly string[] {
  const all = upstreamsOfRoute(route ?? {}).flatMap((name) => owners.get(name)?.get(field) ?? []);
  return [...new Set(all)];
}

function ownedFields(config: SoundPart<AuthenticatorConfig> | undefined): ReadonlySet<string> {
  const fromClaims = Object.keys(config?.claimHeaders ?? {});
  const fromAnswer = config?.type === 'forwardAuth' ? (config.responseHeaders ?? []) : [];
  const ofSession = config?.type === 'oidc' ? [config.accessTokenHeader ?? ''] : [];
  return new Set(
    [...fromClaims, ...fromAnswer, ...ofSession].map((name) => name?.toLowerCase() ?? ''),
  );
}

function writtenFields(route: SoundPart<RouteConfig> | undefined): WrittenField[] {
  const { set = {}, add = {}, rename = {} } = route?.rewrite?.headers ?? {};
  const written: WrittenField[] = [];
  for (const [kind, fields] of Object.entries({ set, add })) {
    for (const [field, text] of Object.entries(fields)) {
      written.push({ field, keys: [kind, field], isClients: isClients(text ?? '') });
    }
  }
  for (const [from, to] of Object.entries(rename)) {
    written.push({ field: to ?? '', keys: ['rename', from], isClients: true });
  }
  return written;
}

/** Claims are verified, and the address is the gateway's own finding. */
function isClients(text: string): boolean {
  const parsed = parseTemplate(text);
  if (!parsed.isValid) return false;
  return parsed.parts.some((part) => {
    if (typeof part === 'string') return false;
    return part.root === 'request' ? part.name !== 'consumer' : !VERIFIED.has(part.root);
  });
}

const VERIFIED: ReadonlySet<string> = new Set(['claims', 'clientIp']);
