/**
 * Texts that browsers keep for the gateway, which they can neither read nor change.
 *
 * Thread: any (pure). AES-256-GCM with a key of its own for each text, from the secret and 16
 * random bytes, so that no number of texts wears the key out. A text is bound to
 * its purpose: a cookie of one login is nothing in the place of another one's, nor a session in the
 * place of a state.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { decrypt, deriveKey, encrypt, NONCE_BYTES, TAG_BYTES } from '../sealed-text.js';

const SALT_BYTES = 16;
const OVERHEAD = SALT_BYTES + NONCE_BYTES + TAG_BYTES;
/** The first byte, for the day when this changes. */
const VERSION = 1;
/** Longest text that is looked at: more than all cookies of a session hold. */
const CHARS_MAX = 32 * 1024;

export class CookieSealer {
  private readonly keys: readonly Buffer[];

  /** `secrets`: the first one seals, all of them open. `owner`: whose texts they are. */
  constructor(
    secrets: readonly string[],
    private readonly owner: string,
  ) {
    this.keys = secrets.map((secret) => deriveKey(secret, 'browser cookies 1'));
  }

  /** Base64url. */
  seal(text: string, purpose: string): string {
    const [key = Buffer.alloc(0)] = this.keys;
    const salt = randomBytes(SALT_BYTES);
    const { nonce, body, tag } = encrypt(derived(key, salt), text, this.bound(purpose));
    return Buffer.concat([Buffer.of(VERSION), salt, nonce, body, tag]).toString('base64url');
  }

  /** null: it was made by somebody else, for something else, or was changed. */
  open(sealed: string, purpose: string): string | null {
    if (sealed.length > CHARS_MAX) return null;
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < OVERHEAD + 1 || bytes[0] !== VERSION) return null;
    // Another spelling of the same bytes would be another cookie for whoever compares texts.
    if (bytes.toString('base64url') !== sealed) return null;
    for (const key of this.keys) {
      const text = this.openWith(key, bytes, purpose);
      if (text !== null) return text;
    }
    return null;
  }

  private openWith(key: Buffer, bytes: Buffer, purpose: string): string | null {
    const salt = bytes.subarray(1, 1 + SALT_BYTES);
    const nonce = bytes.subarray(1 + SALT_BYTES, 1 + SALT_BYTES + NONCE_BYTES);
    const tag = bytes.subarray(bytes.length - TAG_BYTES);
    const body = bytes.subarray(1 + SALT_BYTES + NONCE_BYTES, bytes.length - TAG_BYTES);
    return decrypt(derived(key, salt), { nonce, body, tag }, this.bound(purpose));
  }

  private bound(purpose: string): string {
    return `${this.owner}\n${purpose}`;
  }
}

function derived(key: Buffer, salt: Buffer): Buffer {
  return createHmac('sha256', key).update(salt).digest();
}
