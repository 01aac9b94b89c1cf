/**
 * Keys by which signatures of requests are verified (RFC 9421 3.3), each for one algorithm.
 *
 * Thread: worker.
 */
import {
  constants,
  createHmac,
  createPublicKey,
  type JsonWebKeyInput,
  type KeyObject,
  timingSafeEqual,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto';
import type { Identity } from '../authenticator.js';
import type { CompiledSignatureKey } from '../options.js';

/** A key, and who is known by it. */
export interface SignatureKey {
  readonly algorithm: CompiledSignatureKey['algorithm'];
  readonly identity: Identity;
  verify(base: Buffer, signature: Buffer): boolean;
}

export function signatureKey(config: CompiledSignatureKey, identity: Identity): SignatureKey {
  const { algorithm, jwk } = config;
  if (jwk === null) {
    const secret = Buffer.from(config.secret, 'base64');
    return { algorithm, identity, verify: (base, signed) => isMac(secret, base, signed) };
  }
  const key = createPublicKey({ key: jwk, format: 'jwk' } as JsonWebKeyInput);
  const [digest, input] = schemeOf(algorithm, key);
  return { algorithm, identity, verify: (base, signed) => verify(digest, base, input, signed) };
}

function isMac(secret: Buffer, base: Buffer, signed: Buffer): boolean {
  const own = createHmac('sha256', secret).update(base).digest();
  return own.length === signed.length && timingSafeEqual(own, signed);
}

function schemeOf(
  algorithm: CompiledSignatureKey['algorithm'],
  key: KeyObject,
): readonly [digest: string | null, input: VerifyKeyObjectInput] {
  switch (algorithm) {
    case 'ecdsa-p256-sha256':
      return ['sha256', { key, dsaEncoding: 'ieee-p1363' }];
    case 'rsa-pss-sha512':
      return ['sha512', { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }];
    case 'rsa-v1_5-sha256':
      return ['sha256', { key, padding: constants.RSA_PKCS1_PADDING }];
    default:
      return [null, { key }];
  }
}
