/**
 * The keys of the token service: one signs, and others stay published until their last token has
 * expired.
 *
 * Thread: supervisor (on the main thread). Owns the private keys, which never leave this thread,
 * and a timer. Signing itself is done on Node's own thread pool.
 */
import { randomBytes } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { CompiledTokenService } from '../../config/compiled-config.js';
import { RETIRE_MS, readSigned, type TokenKeys } from './token-keys.js';

/** After a key could not be made: until then the one before signs on. */
const RETRY_MS = 60_000;

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
  /** When the key is removed, on the monotonic clock; infinite for the key that signs. */
  retiresMs: number;
}

export class SigningKeys implements TokenKeys {
  private keys: SigningKey[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly config: CompiledTokenService,
    private readonly nowMs: () => number,
    /** The set of published keys has changed. */
    private readonly onChanged: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Makes the first key. */
  async start(): Promise<void> {
    await this.rotate();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** The published keys; the one that signs is the first. */
  get published(): readonly JWK[] {
    return this.keys.map(({ jwk }) => jwk);
  }

  async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
    const [current] = this.keys;
    if (current === undefined) throw new Error('there is no signing key yet');
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: this.config.algorithm, typ: 'JWT', kid: current.kid })
      .sign(current.privateKey);
  }

  /** The claims of a token of this service, or undefined. */
  async read(token: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    return readSigned(token, this.keys, this.config);
  }

  private async rotate(): Promise<void> {
    const { algorithm, accessTokenMs } = this.config;
    const pair = await generateKeyPair(algorithm);
    const kid = randomBytes(12).toString('base64url');
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, use: 'sig', alg: algorithm };
    const now = this.nowMs();
    for (const key of this.keys) {
      key.retiresMs = Math.min(key.retiresMs, now + accessTokenMs + RETIRE_MS);
    }
    const kept = this.keys.filter(({ retiresMs }) => retiresMs > now);
    this.keys = [{ ...pair, kid, jwk, retiresMs: Number.POSITIVE_INFINITY }, ...kept];
    this.planNext(this.config.rotateMs);
    this.onChanged();
  }

  private planNext(delayMs: number): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.rotate().catch((error: unknown) => {
        this.planNext(Math.min(RETRY_MS, this.config.rotateMs));
        this.onError(error);
      });
    }, delayMs);
    this.timer.unref();
  }
}
