/**
 * Certificates and private keys as users have them: PEM, in a file or in the configuration itself.
 *
 * Thread: loader. Says what is wrong with a text without repeating it.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { noteFile } from './files-read.js';
import { type FileText, readKeyFile } from './key-material.js';

/** The bundle of a system with all public authorities has a quarter of it. */
const FILE_BYTES_MAX = 1024 * 1024;

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]+-----/g;

/** Whether a value is the material itself, and not the name of a file. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN ');
}

/** What a value stands for: itself, or what its file holds. */
export function readMaterial(value: string): FileText {
  if (isPem(value)) return { text: value };
  noteFile(value);
  return readKeyFile(value, FILE_BYTES_MAX);
}

/** What is wrong with a text that is to hold one certificate or more; undefined: nothing. */
export function certificatesProblem(text: string): string | undefined {
  const parts = text.match(CERTIFICATE) ?? [];
  if (parts.length === 0) return 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  for (const [at, part] of parts.entries()) {
    if (parseCertificate(part) === undefined) return `certificate ${at + 1} in it is not valid`;
  }
  return undefined;
}

/** What is wrong with a text that is to hold a private key; undefined: nothing. */
export function privateKeyProblem(text: string): string | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return 'holds no private key in PEM (-----BEGIN PRIVATE KEY-----)';
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    return 'is encrypted: store it without a passphrase, where only the gateway can read it';
  }
  return parseKey(text) === undefined ? 'holds a private key that is not valid' : undefined;
}

/** Whether the key belongs to the first certificate. Both texts are sound. */
export function isPair(certificates: string, key: string): boolean {
  const [first = ''] = certificates.match(CERTIFICATE) ?? [];
  const [certificate, parsed] = [parseCertificate(first), parseKey(key)];
  if (certificate === undefined || parsed === undefined) return false;
  return certificate.checkPrivateKey(parsed);
}

/** Why OpenSSL takes no context of this, such as a key that is too short; undefined: it does. */
export function contextProblem(material: {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}): string | undefined {
  try {
    createSecureContext({ ...material });
    return undefined;
  } catch (error) {
    const reason: unknown = error instanceof Error ? Reflect.get(error, 'reason') : undefined;
    return typeof reason === 'string' ? reason : 'it is not what OpenSSL takes';
  }
}

function parseCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function parseKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}
