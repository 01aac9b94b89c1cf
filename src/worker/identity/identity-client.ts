/**
 * A worker's end of everything that identifies callers: authenticators, keys, and the token
 * service.
 *
 * Thread: worker. Code is loaded only where the configuration needs it. Two configurations share an
 * authenticator that both have, so the results that it remembers outlive a reload.
 */
import type { Clock } from '../../base/clock.js';
import type {
  CallerNotice,
  IdentityNotice,
  IdentityRequest,
} from '../../channel/identity-messages.js';
import type { CompiledConfig } from '../../config/compiled-config.js';
import type { Authenticator } from '../../filters/authentication/authenticator.js';
import type { AuthenticatorFeeds } from '../../filters/authentication/create-authenticator.js';
import type { CompiledAuthenticator } from '../../filters/authentication/options.js';
import type { TokenEndpoints } from '../answer/token-endpoints.js';
import { LoginClient } from './login-client.js';
import { ProofClient } from './proof-client.js';
import { ReceivedApiKeys } from './received-api-keys.js';
import { ReceivedKeySets } from './received-key-sets.js';

interface SharedAuthenticator {
  readonly made: Promise<Authenticator>;
  /** The number of configurations that use it. */
  uses: number;
}

/** What a worker is given that has to do with who calls. */
export interface IdentityTask {
  readonly config: Pick<CompiledConfig, 'tokenService'>;
  /** What is known about keys when the worker starts. */
  readonly notices: readonly IdentityNotice[];
}

export class IdentityClient {
  private readonly shared = new Map<string, SharedAuthenticator>();
  private readonly apiKeys = new ReceivedApiKeys();
  private readonly proofs: ProofClient;
  private readonly feeds: AuthenticatorFeeds;

  private constructor(
    private readonly clock: Clock,
    private readonly keySets: ReceivedKeySets,
    private readonly logins: LoginClient,
    private readonly post: (request: IdentityRequest) => void,
    /** null: there is no token service. */
    readonly tokens: TokenEndpoints | null,
  ) {
    this.proofs = new ProofClient(clock, post);
    const { apiKeys, proofs } = this;
    this.feeds = { keySets, logins, apiKeys, proofs };
  }

  /** `post` brings a request to the main thread. */
  static async create(
    { config, notices }: IdentityTask,
    clock: Clock,
    post: (request: IdentityRequest) => void,
  ): Promise<IdentityClient> {
    const keySets = new ReceivedKeySets(post, clock.nowMs);
    const { tokenService } = config;
    const tokens =
      tokenService === null
        ? null
        : new (await import('../answer/token-endpoints.js')).TokenEndpoints(
            tokenService,
            keySets,
            post,
          );
    const logins = new LoginClient(clock, post);
    const client = new IdentityClient(clock, keySets, logins, post, tokens);
    for (const notice of notices) if (notice.type !== 'workload') client.onNotice(notice);
    return client;
  }

  /**
   * The authenticators of one configuration, by index. The caller gives them back with release().
   */
  async acquire(configs: readonly CompiledAuthenticator[]): Promise<readonly Authenticator[]> {
    if (configs.length === 0) return [];
    const { createAuthenticator } = await import(
      '../../filters/authentication/create-authenticator.js'
    );
    return Promise.all(
      configs.map((config) => {
        const key = keyOf(config);
        const known = this.shared.get(key);
        if (known !== undefined) {
          known.uses++;
          return known.made;
        }
        const made = createAuthenticator(config, this.feeds);
        this.shared.set(key, { made, uses: 1 });
        made.catch(() => this.shared.delete(key));
        return made;
      }),
    );
  }

  /**
   * The configuration is not used any more. Closes authenticators that no other configuration has.
   */
  async release(configs: readonly CompiledAuthenticator[]): Promise<void> {
    const unused: Promise<Authenticator>[] = [];
    for (const config of configs) {
      const key = keyOf(config);
      const known = this.shared.get(key);
      if (known === undefined || --known.uses > 0) continue;
      this.shared.delete(key);
      unused.push(known.made);
    }
    await Promise.all(unused.map(async (made) => (await made).close?.()));
  }

  onNotice(notice: CallerNotice): void {
    if (notice.type === 'keySet') {
      this.keySets.onNotice(notice);
    } else if (notice.type === 'revoked') {
      this.keySets.onRevoked(notice.sessions, this.clock.unixMs() / 1000);
      if (notice.serial > 0) this.post({ type: 'acknowledged', serial: notice.serial });
    } else if (notice.type === 'apiKeys') {
      this.apiKeys.onNotice(notice);
      if (notice.serial > 0) this.post({ type: 'acknowledged', serial: notice.serial });
    } else if (notice.type === 'proofReply') {
      this.proofs.onReply(notice.askId, notice.use);
    } else if (notice.type === 'proofKey') {
      this.proofs.nonceKey = notice.key;
    } else if (notice.type === 'tokenReply') {
      this.tokens?.onReply(notice);
    } else {
      this.logins.onNotice(notice);
    }
  }

  async close(): Promise<void> {
    const all = [...this.shared.values()];
    this.shared.clear();
    await Promise.all(all.map(async ({ made }) => (await made).close?.()));
  }
}

/** Everything that defines an authenticator, without its place in the list. */
function keyOf(config: CompiledAuthenticator): string {
  return JSON.stringify({ ...config, index: 0 });
}
