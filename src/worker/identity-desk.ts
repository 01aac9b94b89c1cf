/**
 * A worker's end of all that tells who calls: authenticators, keys, and the token service.
 *
 * Thread: worker. Code is loaded only where the configuration needs it.
 */
import { monotonicMs } from '../base/clock.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import type { Authenticator } from '../filters/authentication/authenticator.js';
import { KeySetInbox } from './key-set-inbox.js';
import type { LaneReport, LaneTask } from './lane-task.js';
import type { TokenEndpoints } from './token-endpoints.js';

export class IdentityDesk {
  private constructor(
    private readonly keySets: KeySetInbox,
    private readonly post: (request: IdentityRequest) => void,
    /** By index. */
    readonly authenticators: readonly Authenticator[],
    /** null: there is no token service. */
    readonly tokens: TokenEndpoints | null,
  ) {}

  static async create({ config, port, notices }: LaneTask): Promise<IdentityDesk> {
    const post = (request: IdentityRequest): void => {
      port.postMessage({ type: 'identity', request } satisfies LaneReport);
    };
    const keySets = new KeySetInbox(post, monotonicMs);
    const authenticators = await createAuthenticators(config.authenticators, keySets);
    const { tokenService } = config;
    const tokens =
      tokenService === null
        ? null
        : new (await import('./token-endpoints.js')).TokenEndpoints(tokenService, keySets, post);
    const desk = new IdentityDesk(keySets, post, authenticators, tokens);
    for (const notice of notices) desk.onNotice(notice);
    return desk;
  }

  onNotice(notice: IdentityNotice): void {
    if (notice.type === 'keySet') {
      this.keySets.onNotice(notice);
    } else if (notice.type === 'revoked') {
      this.keySets.onRevoked(notice.sessions, Date.now() / 1000);
      if (notice.serial > 0) this.post({ type: 'acknowledged', serial: notice.serial });
    } else {
      this.tokens?.onReply(notice);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.authenticators.map((authenticator) => authenticator.close?.()));
  }
}

async function createAuthenticators(
  configs: LaneTask['config']['authenticators'],
  keySets: KeySetInbox,
): Promise<Authenticator[]> {
  if (configs.length === 0) return [];
  const { createAuthenticator } = await import('../filters/authentication/create-authenticator.js');
  return Promise.all(configs.map((one) => createAuthenticator(one, keySets)));
}
