/**
 * Seals texts, so that only who has the secret can read them, and nobody can change them or pass
 * one off for another.
 *
 * Thread: any (pure). AES-256-GCM with a random nonce; keys are derived by HKDF-SHA-256 (RFC 5869),
 * one for each purpose, so that what is sealed for one is of no use for another.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** The nonce in base64url: no two sealed texts begin with the same. */
export const SEALED_HEAD_CHARS = 16;

/** 32 bytes that nobody without the secret can guess, and others for each purpose. */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'sluice', purpose, KEY_BYTES));
}

/** A text that was encrypted, in the parts from which each kind of sealed text is put together. */
export interface SealedParts {
  readonly nonce: Uint8Array;
  readonly body: Uint8Array;
  readonly tag: Uint8Array;
}

/** AES-256-GCM. `key`: 32 bytes, with which no nonce may come twice. */
export function encrypt(key: Uint8Array, text: string, context: string): SealedParts {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return { nonce, body, tag: cipher.getAuthTag() };
}

/** null: it was encrypted with another key or context, or somebody has changed it. */
export function decrypt(
  key: Uint8Array,
  { nonce, body, tag }: SealedParts,
  context: string,
): string | null {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context, 'utf8'));
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    // The tag does not fit.
    return null;
  }
}

export class Sealer {
  /** `key`: 32 bytes, as {@link deriveKey} makes them. */
  constructor(private readonly key: Uint8Array) {}

  /** Base64url. `context`: what the text is for; it opens under the same context only. */
  seal(text: string, context: string): string {
    const { nonce, tag, body } = encrypt(this.key, text, context);
    return Buffer.concat([nonce, tag, body]).toString('base64url');
  }

  /** null: it was not sealed with this key and context, or somebody has changed it. */
  open(sealed: string, context: string): string | null {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
    return decrypt(this.key, { nonce, tag, body }, context);
  }
}
