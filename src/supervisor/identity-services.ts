/**
 * What the main thread keeps for workers so that they can identify callers: key sets of issuers,
 * the token service, the providers of logins, and which proofs were used.
 *
 * Thread: supervisor (on the main thread). The code is loaded only where it is configured.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import type { ProofUse } from '../base/proof-use.js';
import type { IdentityNotice, IdentityRequest } from '../channel/identity-messages.js';
import type { CompiledKeys, GatewaySettings } from '../config/compiled-config.js';
import type { CompiledAuthenticator } from '../filters/authentication/options.js';
import { Announcements } from './announcements.js';
import type { ApiKeys } from './api-keys/api-keys.js';
import type { KeySets } from './key-sets/key-sets.js';
import type { LoginService } from './login/login-service.js';
import { SharedProofs } from './proofs/shared-proofs.js';
import type { SharedState } from './shared/shared-state.js';
import type { TokenService } from './token-service/token-service.js';

type ProofAsk = Extract<IdentityRequest, { readonly type: 'proofAsk' }>;

export interface IdentityServicesOptions {
  readonly config: GatewaySettings;
  readonly logger: Logger;
  readonly clock: Clock;
  /** null: no store is shared with other gateways. */
  readonly shared: SharedState | null;
  /** Sends a notice to every worker, and returns the number of workers. */
  broadcast(notice: IdentityNotice): number;
  /** Sends a notice to the worker of one lane. */
  reply(lane: number, notice: IdentityNotice): void;
}

export class IdentityServices {
  private keySets: KeySets | null = null;
  private tokenService: TokenService | null = null;
  /** null: no keys are made at run time. */
  apiKeys: ApiKeys | null = null;
  private logins: LoginService | null = null;
  private readonly proofs: SharedProofs;
  private readonly announcements: Announcements;
  /** Of nonces, the same for gateways that share a store with a secret. */
  private readonly proofKey: Uint8Array;

  constructor(private readonly options: IdentityServicesOptions) {
    const { clock, shared } = options;
    this.announcements = new Announcements(clock);
    this.proofs = new SharedProofs(shared?.store ?? null, clock);
    this.proofKey = shared?.key('nonces of proofs') ?? randomBytes(32);
  }

  /** Resolves when tokens can be made; key sets of other issuers may come later. */
  async start(): Promise<void> {
    const { config } = this.options;
    await this.adopt(config.authenticators);
    if (config.keys !== null) await this.startKeys(config.keys);
    if (config.tokenService !== null) {
      const { TokenService } = await import('./token-service/token-service.js');
      this.tokenService = new TokenService({
        ...this.options,
        announcements: this.announcements,
        config: config.tokenService,
      });
      await this.tokenService.start();
    }
  }

  private async startKeys(config: CompiledKeys): Promise<void> {
    const { shared, clock, logger, broadcast } = this.options;
    const { announcements } = this;
    const { openKeys } = await import('./api-keys/open-keys.js');
    this.apiKeys = openKeys(config, { shared, clock, logger, broadcast, announcements });
    await this.apiKeys.start();
  }

  /** Keeps what these authenticators need, and drops everything else. */
  async adopt(authenticators: readonly CompiledAuthenticator[]): Promise<void> {
    const hasLogin = authenticators.some((one) => one.type === 'oidc');
    const hasKeys = authenticators.some((one) => one.type === 'jwt' && one.keySource !== null);
    if ((hasKeys || hasLogin) && this.keySets === null) {
      const { KeySets } = await import('./key-sets/key-sets.js');
      this.keySets ??= new KeySets({ ...this.options, nowMs: this.options.clock.nowMs });
    }
    this.keySets?.adopt(authenticators);
    if (hasLogin && this.logins === null && this.keySets !== null) {
      const { keySets } = this;
      const { LoginService } = await import('./login/login-service.js');
      this.logins ??= new LoginService({ ...this.options, keys: keySets });
      await this.logins.whenUnited();
    }
    this.logins?.adopt(authenticators);
  }

  stop(): void {
    this.keySets?.stop();
    this.tokenService?.stop();
    this.apiKeys?.stop();
    this.logins?.stop();
    this.announcements.stop();
  }

  /** The notices that a new worker starts with. */
  get notices(): IdentityNotice[] {
    return [
      ...(this.keySets?.notices ?? []),
      ...(this.tokenService?.notices ?? []),
      ...(this.logins?.notices ?? []),
      ...(this.apiKeys === null ? [] : [this.apiKeys.notice]),
      { type: 'proofKey', key: this.proofKey },
    ];
  }

  private async onProof(lane: number, asked: ProofAsk): Promise<void> {
    const { logger, reply } = this.options;
    const { askId, key, until, place } = asked;
    const use = await this.proofs.use(key, until, place).catch((error: unknown): ProofUse => {
      logger.error({ err: error }, 'internal error');
      return 'unknown';
    });
    reply(lane, { type: 'proofReply', askId, use });
  }

  onRequest(lane: number, request: IdentityRequest): void {
    if (request.type === 'keySetWanted' && request.source === 'tokenService') {
      void this.tokenService?.onKeysWanted(lane);
    } else if (request.type === 'keySetWanted') {
      this.keySets?.onWanted(lane, request.source, request.version);
    } else if (request.type === 'tokenAsk') {
      this.tokenService?.onAsk(lane, request.askId, request.ask);
    } else if (request.type === 'acknowledged') {
      this.announcements.onAcknowledged(request.serial);
    } else if (request.type === 'proofAsk') {
      void this.onProof(lane, request);
    } else {
      this.logins?.onRequest(lane, request);
    }
  }
}
