/**
 * Reads the URL of a store.
 *
 * Thread: any (pure). Says what is wrong with a URL without repeating it: it may hold a password.
 */
import type { StoreAddress } from '../store-settings.js';

const DEFAULT_PORT = 6379;

/** What a URL of a store says. */
export interface StoreUrl extends StoreAddress {
  readonly tls: boolean;
  /** '': none. */
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

/** The parts of `redis[s]://[user[:password]@]host[:port][/database]`, or what is wrong with it. */
export function parseStoreUrl(text: string): StoreUrl | { readonly problem: string } {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) return { problem: 'not a URL: write redis://HOST:PORT' };
  const { protocol } = url;
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    return { problem: 'must begin with redis:// or, over TLS, with rediss://' };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') return { problem: 'names no host' };
  if (url.search !== '' || url.hash !== '') {
    return { problem: 'has parameters: settings stand beside the URL, such as store.tls' };
  }
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined) return { problem: 'has a path that is no number of a database' };
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (username === undefined || password === undefined) {
    return { problem: 'has a user or a password with a wrong %-code' };
  }
  return {
    host,
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    tls: protocol === 'rediss:',
    username,
    password,
    database: Number(database),
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
