/**
 * Checks the store that several gateways share, and the limits that need it.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, StoreConfig } from '../gateway-config.js';
import { parseStoreUrl, type StoreUrl } from '../references/store-url.js';
import { checkMaterial } from './check-target-tls.js';

const AT = pointerOf('store');
const HOW = 'add store: { type: redis, url: "redis://HOST:6379" }';

type SoundStore = SoundPart<StoreConfig>;

export function checkStore(config: SoundPart<GatewayConfig>, findings: Findings): void {
  const { store } = config;
  const isKnown = store !== undefined || findings.hasUnder(AT);
  if (store !== undefined) checkSettings(store, findings);
  if (!isKnown) checkMemories(config, findings);
  for (const [index, route] of (config.routes ?? []).entries()) {
    if (route?.rateLimit === undefined) continue;
    const at = pointerOf('routes', index, 'rateLimit');
    const isList = Array.isArray(route.rateLimit);
    for (const [position, limit] of [route.rateLimit].flat().entries()) {
      if (limit === undefined) continue;
      checkScope(limit, isList ? `${at}${pointerOf(position)}` : at, { isKnown, findings });
    }
  }
}

/** Proofs that are remembered in the store need one. */
function checkMemories(
  { authenticators = {} }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  for (const [name, one] of Object.entries(authenticators)) {
    for (const key of ['dpopMemory', 'memory'] as const) {
      if (one === undefined || Reflect.get(one, key) !== 'store') continue;
      const at = pointerOf('authenticators', name, key);
      findings.addValue(at, `"store" needs a store that the gateways share: ${HOW}`);
    }
  }
}

/** What is kept in the store needs one that has a secret. */
export function checkSharing(
  { store }: SoundPart<GatewayConfig>,
  at: string,
  findings: Findings,
): void {
  if (store?.secret !== undefined || findings.hasUnder(AT)) return;
  const how =
    store === undefined
      ? 'add store: { type: redis, url: "redis://HOST:6379", secret: "${STORE_SECRET}" }'
      : 'add store.secret, with which it is sealed';
  findings.addValue(at, `needs a store that has a secret: ${how}`);
}

function checkScope(
  limit: {
    readonly scope?: unknown;
    readonly onStoreLost?: unknown;
  },
  at: string,
  { isKnown, findings }: { readonly isKnown: boolean; readonly findings: Findings },
): void {
  const { scope, onStoreLost } = limit;
  if (scope === 'cluster' && !isKnown) {
    findings.addValue(`${at}/scope`, `"cluster" needs a store that the gateways share: ${HOW}`);
  }
  if (onStoreLost !== undefined && scope !== 'cluster' && !findings.hasUnder(`${at}/scope`)) {
    findings.addKey(`${at}/onStoreLost`, 'only a limit with scope: cluster needs the store');
  }
}

function checkSettings(store: SoundStore, findings: Findings): void {
  const { url, urls, sentinel, cluster } = store;
  if (url !== undefined && urls !== undefined) {
    findings.addKey(`${AT}/urls`, 'stands in place of url: one of the two');
  }
  if (url === undefined && urls === undefined && !findings.hasUnder(AT)) {
    findings.addValue(AT, 'needs url: "redis://HOST:PORT"');
  }
  if (sentinel !== undefined && cluster === true) {
    findings.addKey(`${AT}/cluster`, 'a Redis Cluster has no Sentinels: one of the two');
  }
  const isAlone = sentinel === undefined && cluster !== true && !findings.hasUnder(AT);
  if (isAlone && (urls ?? []).length > 1) {
    const message = 'several servers need sentinel: { name } or cluster: true, which say how';
    findings.addKey(`${AT}/urls`, message);
  }
  const parsed = checkUrls(store, findings);
  if (store.tls === undefined) return;
  if (parsed.length > 0 && parsed.every(({ tls }) => !tls)) {
    findings.addKey(`${AT}/tls`, 'only for a store with rediss://');
  }
  checkMaterial(`${AT}/tls`, store.tls, findings);
}

/** The URLs that are sound. */
function checkUrls({ url, urls, ...store }: SoundStore, findings: Findings): StoreUrl[] {
  const sound: StoreUrl[] = [];
  const several = (urls ?? []).map((text, at) => [text, `${AT}/urls/${at}`] as const);
  for (const [text, at] of [[url, `${AT}/url`] as const, ...several]) {
    if (text === undefined) continue;
    const parsed = parseStoreUrl(text);
    if ('problem' in parsed) {
      findings.addValue(at, parsed.problem);
      continue;
    }
    const first = sound[0] ?? parsed;
    sound.push(parsed);
    if (parsed.password !== '' && store.password !== undefined) {
      findings.addValue(at, 'has a password, and so has store.password: one of the two');
    }
    if (parsed.username !== '' && store.username !== undefined) {
      findings.addValue(at, 'has a user, and so has store.username: one of the two');
    }
    if (parsed.database !== 0 && store.cluster === true) {
      findings.addValue(at, 'a Redis Cluster has the database 0 only');
    }
    const isSame = (['tls', 'username', 'password', 'database'] as const).every(
      (key) => parsed[key] === first[key],
    );
    if (!isSame) findings.addValue(at, 'says other things than the first: all must say the same');
  }
  return sound;
}
