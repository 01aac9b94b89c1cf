/**
 * Compiles the store that several gateways share.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { assert, defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import type { GatewayConfig, StoreConfig, StoreTlsConfig } from '../gateway-config.js';
import { parseStoreUrl, type StoreUrl } from '../references/store-url.js';
import { readMaterial } from '../references/tls-material.js';
import { DEFAULTS } from '../schema/defaults.js';
import type { CompiledStore, CompiledStoreTls } from '../store-settings.js';

const { store: defaults } = DEFAULTS;

export function compileStore(config: GatewayConfig['store']): CompiledStore | null {
  if (config === undefined) return null;
  const urls = urlsOf(config).map(soundUrl);
  const first = defined(urls[0], 'the URL of the store');
  return {
    addresses: urls.map(({ host, port }) => ({ host, port })),
    kind: kindOf(config),
    sentinel: compileSentinel(config.sentinel),
    database: first.database,
    username: config.username ?? first.username,
    password: config.password ?? first.password,
    secret: config.secret ?? '',
    tls: first.tls ? compileTls(config.tls ?? {}) : null,
    prefix: config.prefix ?? defaults.prefix,
    timeoutMs: durationMs(config.timeout ?? defaults.timeout),
    nodes: config.nodes ?? defaults.nodes,
  };
}

/** The URLs of a store, by whichever key they were given. */
function urlsOf({ url, urls }: Pick<StoreConfig, 'url' | 'urls'>): readonly string[] {
  return urls ?? (url === undefined ? [] : [url]);
}

function kindOf({ sentinel, cluster }: StoreConfig): CompiledStore['kind'] {
  if (sentinel !== undefined) return 'sentinel';
  return (cluster ?? defaults.cluster) ? 'cluster' : 'single';
}

function compileSentinel(sentinel: StoreConfig['sentinel']): CompiledStore['sentinel'] {
  if (sentinel === undefined) return null;
  const { name, username = '', password = '' } = sentinel;
  return { name, username, password };
}

function compileTls(tls: StoreTlsConfig): CompiledStoreTls {
  return {
    ca: textOf(tls.ca),
    cert: textOf(tls.cert),
    key: textOf(tls.key),
    serverName: tls.serverName ?? '',
    verifies: tls.verify ?? defaults.tls.verify,
  };
}

function soundUrl(text: string): StoreUrl {
  const url = parseStoreUrl(text);
  assert(!('problem' in url), 'the URL of the store was checked');
  return url;
}

function textOf(value: string | undefined): string {
  if (value === undefined) return '';
  const read = readMaterial(value);
  if ('problem' in read) throw new Error(`${value}: ${read.problem}`);
  return read.text;
}
