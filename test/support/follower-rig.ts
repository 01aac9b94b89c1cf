/**
 * A gateway that follows a store, as far as its configuration goes: it loads what it is told to,
 * and serves nobody.
 */
import { systemClock, systemRandom } from '../../src/base/clock.js';
import { ConfigError } from '../../src/config/check/config-error.js';
import type { LoadedConfig } from '../../src/config/source/load-file.js';
import type { ConfigStore } from '../../src/supervisor/sources/config-store.js';
import { EtcdStore } from '../../src/supervisor/sources/etcd/etcd-store.js';
import type { LastGoodCopy } from '../../src/supervisor/sources/last-good-copy.js';
import { currentOf, publishRelease } from '../../src/supervisor/sources/publishing.js';
import { ReleaseFollower } from '../../src/supervisor/sources/release-follower.js';
import { CURRENT } from '../../src/supervisor/sources/release-layout.js';
import { parseStoreAddress } from '../../src/supervisor/sources/store-address.js';
import { eventually } from './eventually.js';

/** Quick enough that no test waits long for a connection to be given up. */
export const QUICK = {
  ...{ connectMs: 1000, pingMs: 300, pongMs: 1000, callMs: 1500 },
  ...{ recheckMs: 1000, backoffMs: 50 },
};

export const documentOf = (body: string): string =>
  `upstreams: { a: { targets: [{ url: "http://127.0.0.1:9" }] } }\n` +
  `routes: [{ name: a, match: { path: /a }, respond: { status: 200, body: "${body}" } }]\n`;

export function etcdAt(hosts: string, credentials = ''): EtcdStore {
  return new EtcdStore({
    address: parseStoreAddress(`etcd://${credentials}${hosts}/sluice`, {}),
    clock: systemClock,
    random: systemRandom,
    times: QUICK,
  });
}

/** Publishes a configuration whose only route answers with `body`; resolves with its ID. */
export async function publish(store: ConfigStore, body: string, text = documentOf(body)) {
  const current = currentOf((await store.read([CURRENT])).values);
  const options = { current, unixMs: Date.now(), keep: 50 };
  return (await publishRelease(store, text, options)).id;
}

export class FollowerRig {
  readonly follower: ReleaseFollower;
  readonly lines: string[] = [];
  loaded: LoadedConfig | null = null;
  reloads = 0;
  /** Why reloads fail for now; '': they do not. */
  obstacle = '';
  /** It shows in a trial. */
  isJudged = false;

  constructor(
    store: ConfigStore,
    copy: LastGoodCopy | null = null,
    {
      node = 'node-1',
      environment = {},
      retryMs = 60_000,
    }: {
      readonly node?: string;
      readonly environment?: Readonly<Record<string, string>>;
      readonly retryMs?: number;
    } = {},
  ) {
    this.follower = new ReleaseFollower({
      ...{ store, copy, clock: systemClock, random: systemRandom, environment },
      ...{ node, localFile: null, version: '0.0.0', applyIntervalMs: 0, retryMs },
      log: (level, fields, message) => {
        this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
      },
    });
    this.follower.start();
  }

  /** As `sluice run` does it. False: there is nothing to start with. */
  async boot(bootMs = 10_000): Promise<boolean> {
    this.loaded = await this.follower.first(bootMs);
    if (this.loaded === null) return false;
    this.follower.attach({
      log: (level, fields, message) => {
        this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
      },
      reload: async () => this.reload(),
    });
    return true;
  }

  /** What its only route answers with. */
  get body(): unknown {
    const written = this.loaded?.written as
      | { readonly routes?: readonly { readonly respond?: { readonly body?: unknown } }[] }
      | undefined;
    return written?.routes?.[0]?.respond?.body;
  }

  whenBody(body: string): Promise<void> {
    return eventually(`${body} is in force`, () => this.body === body);
  }

  has(text: string): boolean {
    return this.lines.some((line) => line.includes(text));
  }

  private reload() {
    this.reloads += 1;
    if (this.obstacle !== '') {
      const refused = { outcome: 'refused' as const, reasons: [this.obstacle] };
      return this.isJudged ? { ...refused, wasJudged: true as const } : refused;
    }
    try {
      this.loaded = this.follower.source.load();
      return { outcome: 'applied' as const, epoch: this.reloads, changes: [], changeCount: 0 };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { outcome: 'refused' as const, reasons: error.message.split('\n') };
    }
  }
}
