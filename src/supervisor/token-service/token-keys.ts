/**
 * What the token service needs of whoever keeps its keys: memory, or a store.
 *
 * Thread: supervisor (on the main thread). Types, and the check of a token of one's own.
 */
import { type CryptoKey, type JWK, jwtVerify } from 'jose';
import type { CompiledTokenService } from '../../config/compiled-config.js';

/**
 * A key stays published for this long after its last token has expired, because clocks disagree.
 */
export const RETIRE_MS = 10 * 60_000;

export interface TokenKeys {
  /** Resolves when tokens can be made, or when that takes too long. */
  start(): Promise<void>;
  stop(): void;
  /** The published keys. */
  readonly published: readonly JWK[];
  /** Rejects with a StoreLostError while there is no key. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** The claims of a token of this service, or undefined. */
  read(token: string): Promise<Readonly<Record<string, unknown>> | undefined>;
}

/** The claims of a token that one of these keys has signed, or undefined. */
export async function readSigned(
  token: string,
  keys: readonly { readonly kid: string; readonly publicKey: CryptoKey }[],
  { algorithm, issuer, audience }: CompiledTokenService,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = keys.find((one) => one.kid === kid);
        if (key === undefined) throw new Error('the key is not known');
        return key.publicKey;
      },
      { algorithms: [algorithm], issuer, audience },
    );
    return payload;
  } catch {
    return undefined;
  }
}
