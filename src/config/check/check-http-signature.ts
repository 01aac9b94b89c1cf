/**
 * Checks what a schema cannot say about keys of callers who sign their requests.
 *
 * Thread: any (pure). A part of check-authenticators.ts. No message repeats a secret.
 */
import { algorithmsOf } from '../../base/json-web-key.js';
import type { SoundPart } from '../../schema/finding.js';
import type {
  HttpSignatureAuthenticatorConfig,
  HttpSignatureKeyConfig,
} from '../gateway-config.js';
import { noteFile } from '../references/files-read.js';
import { readKeyFile, readPublicKeys } from '../references/key-material.js';

/** The size of the hash: a shorter secret is easier to guess than that. */
const SECRET_BYTES_MIN = 32;

type Key = SoundPart<HttpSignatureKeyConfig>;
type Say = (message: string, ...at: readonly (string | number)[]) => void;

/** `say`: something is wrong at this place of the authenticator. */
export function checkHttpSignature(
  config: SoundPart<HttpSignatureAuthenticatorConfig>,
  say: Say,
): void {
  const seen = new Map<string, number>();
  for (const [index, key] of (config.keys ?? []).entries()) {
    if (key === undefined) continue;
    if (key.keyId !== undefined) {
      const first = seen.get(key.keyId);
      if (first === undefined) seen.set(key.keyId, index);
      else say(`the same key id as keys[${first}]`, 'keys', index, 'keyId');
    }
    checkKey(key, (message, ...at) => say(message, 'keys', index, ...at));
  }
}

function checkKey(key: Key, say: Say): void {
  const { algorithm, secret, publicKey, publicKeyFile } = key;
  if (algorithm === undefined) return;
  if (algorithm === 'hmac-sha256') {
    if (publicKey !== undefined) say(`${algorithm} needs secret`, 'publicKey');
    else if (publicKeyFile !== undefined) say(`${algorithm} needs secret`, 'publicKeyFile');
    else if (secret === undefined) say(`${algorithm} needs secret`);
    else checkSecret(secret, say);
    return;
  }
  if (secret !== undefined) say(`${algorithm} needs a public key`, 'secret');
  else if (publicKey !== undefined && publicKeyFile !== undefined) {
    say('there is publicKey already', 'publicKeyFile');
  } else if (publicKey !== undefined) checkPublicKey(publicKey, key, 'publicKey', say);
  else if (publicKeyFile === undefined) say(`${algorithm} needs publicKey or publicKeyFile`);
  else {
    noteFile(publicKeyFile);
    const read = readKeyFile(publicKeyFile);
    if ('problem' in read) say(read.problem, 'publicKeyFile');
    else checkPublicKey(read.text, key, 'publicKeyFile', say);
  }
}

function checkSecret(secret: string, say: Say): void {
  const bytes = Buffer.from(secret, 'base64');
  if (bytes.toString('base64') !== secret) say('must be base64 with its padding', 'secret');
  else if (bytes.length < SECRET_BYTES_MIN) {
    say(`must have ${SECRET_BYTES_MIN} bytes or more, and has ${bytes.length}`, 'secret');
  }
}

const ALGORITHM_OF_KEY = {
  ed25519: 'EdDSA',
  'ecdsa-p256-sha256': 'ES256',
  'rsa-pss-sha512': 'PS512',
  'rsa-v1_5-sha256': 'RS256',
} as const;

function checkPublicKey(text: string, { algorithm }: Key, field: string, say: Say): void {
  const read = readPublicKeys(text);
  if ('problem' in read) {
    say(read.problem, field);
    return;
  }
  const [jwk, another] = read.keys;
  if (jwk === undefined || another !== undefined) say('must hold one key', field);
  else if (algorithm === undefined || algorithm === 'hmac-sha256') return;
  else if (!algorithmsOf(jwk).includes(ALGORITHM_OF_KEY[algorithm])) {
    say(`the key is not for ${algorithm} (RSA needs 2048 bits)`, field);
  }
}
