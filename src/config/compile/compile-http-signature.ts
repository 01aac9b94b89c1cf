/**
 * Compiles callers who sign their requests.
 *
 * Thread: loader. A part of compile-authenticators.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import type { Jwk } from '../../base/json-web-key.js';
import { durationMs, sizeBytes } from '../../base/quantities.js';
import type { CompiledHttpSignatureAuthenticator } from '../../filters/authentication/options.js';
import type {
  HttpSignatureAuthenticatorConfig,
  HttpSignatureKeyConfig,
} from '../gateway-config.js';
import { readKeyFile, readPublicKeys } from '../references/key-material.js';
import { DEFAULTS } from '../schema/defaults.js';

const { httpSignature: defaults } = DEFAULTS;

const COMPONENTS = ['@method', '@authority', '@path'];

type Own = Omit<
  CompiledHttpSignatureAuthenticator,
  'index' | 'name' | 'claimHeaders' | 'forwardCredentials'
>;

export function compileHttpSignature(config: HttpSignatureAuthenticatorConfig): Own {
  return {
    type: 'httpSignature',
    keys: config.keys.map((key) => ({
      keyId: key.keyId,
      consumer: key.consumer ?? key.keyId,
      algorithm: key.algorithm,
      secret: key.secret ?? '',
      jwk: publicKeyOf(key),
      scopes: [...(key.scopes ?? [])],
    })),
    components: [...(config.components ?? COMPONENTS)],
    coversQuery: config.coverQuery ?? defaults.coverQuery,
    coversBody: config.coverBody ?? defaults.coverBody,
    label: config.label ?? '',
    tag: config.tag ?? '',
    maxAgeMs: durationMs(config.maxAge ?? defaults.maxAge),
    clockSkewMs: durationMs(config.clockSkew ?? defaults.clockSkew),
    memory: config.memory ?? null,
    bodyBytesMax: sizeBytes(config.bodyBytes ?? defaults.bodyBytes),
  };
}

/** null: the key is a shared secret. */
function publicKeyOf({ publicKey, publicKeyFile }: HttpSignatureKeyConfig): Jwk | null {
  const text = publicKeyFile === undefined ? publicKey : fileText(publicKeyFile);
  if (text === undefined) return null;
  const read = readPublicKeys(text);
  return defined('keys' in read ? read.keys[0] : undefined, 'a checked key');
}

function fileText(path: string): string {
  const read = readKeyFile(path);
  return defined('text' in read ? read.text : undefined, 'a checked file');
}
