/**
 * Checks listeners: names and addresses that clash, keys that exclude one another, proxies.
 *
 * Thread: any (pure). A part of check-meaning.ts.
 */
import { displayPath, pointerOf } from '../../base/json-pointer.js';
import { addressText } from '../../base/listener-address.js';
import { addressRangeProblem } from '../../filters/address-list.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, LimitsConfig, ListenConfig } from '../gateway-config.js';
import { wireOnlyKeys, wireOnlyLimits } from '../references/engine-needs.js';
import {
  isList,
  listenerAddress,
  listenerName,
  listenersOf,
} from '../references/listener-reference.js';
import { DEFAULTS } from '../schema/defaults.js';
import { checkTls } from './check-tls.js';
import { suggestName } from './nearest-name.js';

/** Keys that say where to bind, of which one kind can hold. */
const PLACES: readonly (readonly (keyof ListenConfig)[])[] = [
  ['systemdSocket'],
  ['unixSocket'],
  ['host', 'port', 'reusePort'],
];

/** Checks all listeners, and that the admin listener is somewhere else. */
export function checkListeners(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const { listen, trustedProxies } = config;
  const byName = new Map<string, string>();
  const byAddress = new Map<string, string>();
  for (const [place, one] of listenersOf(listen).entries()) {
    const pointer = isList(listen) ? pointerOf('listen', place) : pointerOf('listen');
    if (one === undefined) continue;
    checkPlace(one, pointer, findings);
    checkEngine(one, config.limits ?? {}, { pointer, findings });
    const hasStateDir = config.stateDir !== undefined || findings.hasUnder('/stateDir');
    if (one.tls !== undefined) {
      const hasOthers = config.kubernetes !== undefined;
      checkTls(one.tls, { pointer: `${pointer}/tls`, findings, hasStateDir, hasOthers });
    }
    checkProtocols(one, pointer, findings);
    checkProxies(one, trustedProxies?.length ?? 0, { pointer, findings });
    if (findings.hasUnder(pointer)) continue;
    checkUnique(listenerName(one), byName, {
      ...{ pointer, findings, at: pointer },
      problem: (other) => `has the name of ${other}: give each listener a "name" of its own`,
    });
    const address = listenerAddress(one);
    const isShared = address.kind === 'tcp' && address.port === 0;
    if (!isShared) {
      checkUnique(addressText(address), byAddress, {
        ...{ pointer, findings, at: one.port === undefined ? pointer : `${pointer}/port` },
        problem: (other) => `has the same address as ${other}: choose another port`,
      });
    }
    checkAdmin(config, { listen: one, pointer, findings });
  }
}

/** Checks that routes ask for listeners that there are. */
export function checkListenersOfRoutes(
  { listen, routes = [] }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  if (findings.hasUnder('/listen')) return;
  const names = listenersOf(listen).flatMap((one) => (one === undefined ? [] : listenerName(one)));
  for (const [index, route] of routes.entries()) {
    const listener = route?.match?.listener;
    const at = pointerOf('routes', index, 'match', 'listener');
    for (const [place, name] of [listener ?? []].flat().entries()) {
      if (name === undefined || names.includes(name)) continue;
      const pointer = isList(listener) ? `${at}/${place}` : at;
      const suggestion = suggestName(name, names, 'listener');
      findings.addValue(pointer, `unknown listener ${findings.quote(pointer, name)}${suggestion}`);
    }
  }
}

interface Uniqueness {
  readonly pointer: string;
  readonly at: string;
  readonly findings: Findings;
  problem(other: string): string;
}

function checkUnique(key: string, taken: Map<string, string>, rule: Uniqueness): void {
  const other = taken.get(key);
  if (other === undefined) taken.set(key, rule.pointer);
  else rule.findings.addValue(rule.at, rule.problem(displayPath(other)));
}

function checkPlace(listen: SoundPart<ListenConfig>, pointer: string, findings: Findings): void {
  const kinds = PLACES.map((keys) => keys.filter((key) => listen[key] !== undefined));
  const [first, ...others] = kinds.filter((given) => given.length > 0);
  if (first === undefined) return;
  for (const key of others.flat()) {
    findings.addKey(
      `${pointer}/${key}`,
      `"${key}" says nothing beside "${first[0]}": leave it out`,
    );
  }
}

function checkEngine(
  listen: SoundPart<ListenConfig>,
  limits: SoundPart<LimitsConfig>,
  { pointer, findings }: { readonly pointer: string; readonly findings: Findings },
): void {
  if (listen.engine !== 'uws') return;
  for (const path of wireOnlyLimits(limits)) {
    const problem = `the engine "uws" cannot do what "${path}" says: choose "wire" or "auto"`;
    findings.addValue(`${pointer}/engine`, problem);
  }
  for (const key of wireOnlyKeys(listen)) {
    const hint = 'choose the engine "wire" or "auto"';
    findings.addKey(`${pointer}/${key}`, `the engine "uws" has no "${key}": ${hint}`);
  }
}

function checkProtocols(
  { protocols, http2, tls }: SoundPart<ListenConfig>,
  pointer: string,
  findings: Findings,
): void {
  const defaults = DEFAULTS.listen;
  const spoken = protocols ?? (tls === undefined ? defaults.protocols : defaults.protocolsWithTls);
  if (http2 !== undefined && spoken.every((one) => one === 'http1')) {
    const hint = 'HTTP/2 is not among the "protocols" of the listener';
    findings.addKey(`${pointer}/http2`, `"http2" says nothing here: ${hint}`);
  }
  if (protocols === undefined) return;
  const [wrong, needs, right] =
    tls === undefined ? (['h2', 'needs', 'h2c'] as const) : (['h2c', 'is without', 'h2'] as const);
  const place = protocols.indexOf(wrong);
  if (place === -1) return;
  const problem = `"${wrong}" ${needs} TLS: the listener may speak "${right}"`;
  findings.addValue(`${pointer}/protocols/${place}`, problem);
}

function checkProxies(
  listen: SoundPart<ListenConfig>,
  sharedCount: number,
  { pointer, findings }: { readonly pointer: string; readonly findings: Findings },
): void {
  checkRanges(listen.trustedProxies ?? [], `${pointer}/trustedProxies`, findings);
  if (listen.proxyProtocol === undefined) return;
  const count = listen.trustedProxies?.length ?? sharedCount;
  if (count > 0) return;
  const problem = 'nobody could connect: list the proxies that send the header in "trustedProxies"';
  findings.addKey(`${pointer}/proxyProtocol`, problem);
}

/** Checks addresses and CIDR ranges. */
export function checkRanges(
  ranges: SoundPart<readonly string[]>,
  pointer: string,
  findings: Findings,
): void {
  for (const [index, range] of ranges.entries()) {
    if (range === undefined) continue;
    const at = `${pointer}/${index}`;
    const problem = addressRangeProblem(range, findings.quote(at, range));
    if (problem !== undefined) findings.addValue(at, problem);
  }
}

interface AdminClash {
  readonly listen: SoundPart<ListenConfig>;
  readonly pointer: string;
  readonly findings: Findings;
}

function checkAdmin(
  { admin }: SoundPart<GatewayConfig>,
  { listen, pointer, findings }: AdminClash,
): void {
  const address = listenerAddress(listen);
  if (address.kind !== 'tcp' || findings.hasUnder('/admin')) return;
  const { port = DEFAULTS.admin.port, host = DEFAULTS.admin.host } = admin ?? {};
  if (address.port === 0 || address.port !== port || address.host !== host) return;
  const owner = admin?.port === undefined ? pointer : '/admin';
  findings.addValue(`${owner}/port`, 'listen and admin must not share one host and port');
}
