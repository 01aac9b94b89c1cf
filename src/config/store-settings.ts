/**
 * The store that several gateways share, as its thread uses it.
 *
 * Thread: any (pure). Types only; a part of compiled-config.ts.
 */

/** One server of the store. */
export interface StoreAddress {
  readonly host: string;
  readonly port: number;
}

/** How the store is reached. Takes a restart to change. */
export interface CompiledStore {
  /** At least one: the server, the Sentinels, or some nodes of the Redis Cluster. */
  readonly addresses: readonly StoreAddress[];
  /** `single`: one server. */
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** What the Sentinels know the server by, and how they are logged in to; null: no Sentinels. */
  readonly sentinel: {
    readonly name: string;
    readonly username: string;
    readonly password: string;
  } | null;
  /** Number of the database; 0 unless the URL says another one. */
  readonly database: number;
  /** '': the default user. */
  readonly username: string;
  /** '': none. A secret. */
  readonly password: string;
  /** What shared records are sealed with; '': there is none. A secret. */
  readonly secret: string;
  /** null: not encrypted. */
  readonly tls: CompiledStoreTls | null;
  /** What every key begins with. */
  readonly prefix: string;
  /** Longest wait for the store, of a request and of a command. */
  readonly timeoutMs: number;
  /** Gateways that are counted at least, until the store has told how many there are. */
  readonly nodes: number;
}

export interface CompiledStoreTls {
  /** PEM; '': the authorities that Node.js knows. */
  readonly ca: string;
  /** PEM; '': none. */
  readonly cert: string;
  /** PEM; '': none. A secret. */
  readonly key: string;
  /** '': the host of the URL. */
  readonly serverName: string;
  readonly verifies: boolean;
}

/** A limit that counts over all gateways that share the store. */
export interface CompiledClusterScope {
  /** Three words that are the same for the same limit of the same route, on every gateway. */
  readonly digest: readonly number[];
  readonly onStoreLost: 'share' | 'closed' | 'open' | 'wait';
}
