/**
 * Gets one certificate from an ACME authority (RFC 8555).
 *
 * Thread: supervisor (on the main thread). Keys are made by Node's threads. Owns the challenges of
 * its order: all of them are taken back, whatever becomes of it.
 */
import { createHash } from 'node:crypto';
import { sharePem, type TlsCertificate } from '../../channel/tls-material.js';
import { readServerPair } from '../../config/references/server-certificate.js';
import type { AcmeSettings } from '../../config/tls-settings.js';
import type { AcmeAuthorization, AcmeLibrary } from './acme-library.js';
import type { AcmeStore, StoredPair } from './acme-store.js';

/** Where an order puts what proves that the names are ours. */
export interface ChallengeBoard {
  /** For http-01: the answer at `/.well-known/acme-challenge/TOKEN`. */
  addAnswer(token: string, answer: string): void;
  removeAnswer(token: string): void;
  /** For tls-alpn-01. */
  addCertificate(certificate: TlsCertificate): void;
  removeCertificate(name: string): void;
}

export interface OrderParts {
  readonly library: AcmeLibrary;
  readonly store: AcmeStore;
  readonly board: ChallengeBoard;
}

/** Resolves with a pair that fits, which is stored. Rejects with the reason why there is none. */
export async function orderCertificate(
  { names, email, directory, challenge: type }: AcmeSettings,
  { library, store, board }: OrderParts,
): Promise<StoredPair> {
  const { crypto, Client } = library;
  const client = new Client({
    directoryUrl: directory,
    accountKey: await accountKey(library, store),
  });
  const [commonName = ''] = names;
  const key = await crypto.createPrivateEcdsaKey('P-256');
  const [, csr] = await crypto.createCsr({ commonName, altNames: names }, key);
  const removals: (() => void)[] = [];
  try {
    const cert = await client.auto({
      ...{ csr, email, challengePriority: [type] },
      termsOfServiceAgreed: true,
      // The gateway itself may not reach its own public address.
      skipChallengeVerification: true,
      async challengeCreateFn(authorization, challenge, answer) {
        if (challenge.type !== type) throw new Error(`the authority does not offer ${type}`);
        if (type === 'http-01') {
          board.addAnswer(challenge.token, answer);
          removals.push(() => board.removeAnswer(challenge.token));
          return;
        }
        board.addCertificate(await challengeCertificate(library, authorization, answer));
        removals.push(() => board.removeCertificate(authorization.identifier.value));
      },
      async challengeRemoveFn() {},
    });
    const pair = { cert, key: key.toString() };
    const reading = readServerPair({ ...pair, names });
    if ('problem' in reading) throw new Error(`the authority's certificate: ${reading.problem}`);
    await store.savePair(pair);
    return pair;
  } finally {
    for (const remove of removals) remove();
  }
}

async function accountKey({ crypto }: AcmeLibrary, store: AcmeStore): Promise<Buffer> {
  const known = await store.accountKey();
  if (known !== null) return known;
  const made = await crypto.createPrivateEcdsaKey('P-256');
  await store.saveAccountKey(made);
  return made;
}

async function challengeCertificate(
  { crypto }: AcmeLibrary,
  authorization: AcmeAuthorization,
  answer: string,
): Promise<TlsCertificate> {
  const ownKey = await crypto.createPrivateEcdsaKey('P-256');
  const [key, certificate] = await crypto.createAlpnCertificate(authorization, answer, ownKey);
  const chain = certificate.toString();
  return {
    id: createHash('sha256').update(chain).digest('hex'),
    names: [authorization.identifier.value.toLowerCase()],
    pairs: [{ chain: sharePem(chain), key: sharePem(key.toString()) }],
    staple: null,
  };
}
