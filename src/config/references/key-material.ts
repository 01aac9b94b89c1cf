/**
 * Reads public keys as users have them: PEM, certificates, JWK, JWK sets, in a text or in a file.
 *
 * Thread: loader. Says what is wrong with a key without repeating it.
 */

import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Jwk } from '../../base/json-web-key.js';
import { fileProblem } from '../../base/system-problem.js';

const KEY_FILE_BYTES_MAX = 64 * 1024;
/** Members that only a private or a shared key has (RFC 7518 6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

export type FileBytes = { readonly bytes: Buffer } | { readonly problem: string };
export type FileText = { readonly text: string } | { readonly problem: string };
export type PublicKeys = { readonly keys: readonly Jwk[] } | { readonly problem: string };

/** The text of a file that holds a key. */
export function readKeyFile(path: string, bytesMax = KEY_FILE_BYTES_MAX): FileText {
  const read = readBoundedFile(path, bytesMax);
  return 'bytes' in read ? { text: read.bytes.toString('utf8') } : read;
}

/** Devices and pipes, which may have no end, are not read. */
export function readBoundedFile(path: string, bytesMax: number): FileBytes {
  try {
    const status = statSync(path);
    if (!status.isFile()) return { problem: 'the file cannot be read: it is not a regular file' };
    if (status.size > bytesMax) {
      return { problem: `the file is larger than ${bytesMax / 1024} KiB` };
    }
    return { bytes: readFileSync(path) };
  } catch (error) {
    return { problem: `the file cannot be read: ${fileProblem(error)}` };
  }
}

/** The public keys of a text. */
export function readPublicKeys(text: string): PublicKeys {
  return text.trimStart().startsWith('{') ? readJson(text) : readPem(text);
}

function readPem(text: string): PublicKeys {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return { problem: 'must be the public key: a private one has no business in a gateway' };
  }
  let key: KeyObject;
  try {
    key = text.includes('-----BEGIN CERTIFICATE-----')
      ? new X509Certificate(text).publicKey
      : createPublicKey(text);
  } catch {
    return { problem: 'must be a public key in PEM (-----BEGIN PUBLIC KEY-----) or a JWK in JSON' };
  }
  try {
    return { keys: [{ ...key.export({ format: 'jwk' }) }] };
  } catch {
    return { problem: `a key of the kind ${key.asymmetricKeyType} cannot verify tokens` };
  }
}

function readJson(text: string): PublicKeys {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return { problem: 'begins like a JWK, but is not JSON' };
  }
  const { keys = [document] } = document as { readonly keys?: unknown };
  if (!Array.isArray(keys) || keys.length === 0) return { problem: 'the key set holds no key' };
  const jwks: Jwk[] = [];
  for (const key of keys as unknown[]) {
    if (typeof key !== 'object' || key === null) return { problem: 'the key set is malformed' };
    if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member))) {
      return { problem: 'must hold public keys only: private and shared ones belong elsewhere' };
    }
    const kid: unknown = Reflect.get(key, 'kid');
    if (kid !== undefined && typeof kid !== 'string') return { problem: 'a kid must be a string' };
    try {
      createPublicKey({ key: key as Record<string, string>, format: 'jwk' });
    } catch {
      return { problem: 'the key set holds a key that is not valid' };
    }
    jwks.push({ ...key });
  }
  return { keys: jwks };
}
