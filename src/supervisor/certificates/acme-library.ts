/**
 * The part of the package `acme-client` that is used here.
 *
 * Thread: supervisor (on the main thread). The package is optional, and loaded only when a listener
 * has `acme`: types of its own keep the build free of it.
 */
import { Agent } from 'node:https';

/** How long one request to the authority may take. */
const REQUEST_MS = 30_000;
const PACKAGE: string = 'acme-client';

export interface AcmeChallenge {
  readonly type: string;
  readonly token: string;
}

export interface AcmeAuthorization {
  readonly identifier: { readonly value: string };
}

export interface AcmeOrderOptions {
  readonly csr: Buffer;
  readonly email: string;
  readonly termsOfServiceAgreed: true;
  readonly skipChallengeVerification: true;
  readonly challengePriority: readonly string[];
  challengeCreateFn(
    authorization: AcmeAuthorization,
    challenge: AcmeChallenge,
    keyAuthorization: string,
  ): Promise<void>;
  challengeRemoveFn(
    authorization: AcmeAuthorization,
    challenge: AcmeChallenge,
    keyAuthorization: string,
  ): Promise<void>;
}

export interface AcmeLibrary {
  readonly Client: new (options: {
    readonly directoryUrl: string;
    readonly accountKey: Buffer;
  }) => { auto(options: AcmeOrderOptions): Promise<string> };
  readonly crypto: {
    createPrivateEcdsaKey(curve: 'P-256'): Promise<Buffer>;
    createCsr(
      data: { readonly commonName: string; readonly altNames: readonly string[] },
      key: Buffer,
    ): Promise<[key: Buffer, csr: Buffer]>;
    createAlpnCertificate(
      authorization: AcmeAuthorization,
      keyAuthorization: string,
      key: Buffer,
    ): Promise<[key: Buffer, certificate: string | Buffer]>;
  };
  readonly axios: {
    readonly defaults: {
      timeout?: number;
      httpsAgent?: Agent;
      /** In seconds. */
      readonly acmeSettings?: { retryDefaultDelay: number; retryMaxAttempts: number };
    };
  };
}

/**
 * Loads the package. `ca`: authorities of the directory's own certificate in PEM; empty: the public
 * ones.
 *
 * @throws Error that says how to install it.
 */
export async function loadAcmeLibrary(ca: string): Promise<AcmeLibrary> {
  let library: AcmeLibrary;
  try {
    const loaded: { readonly default: AcmeLibrary } = await import(PACKAGE);
    library = loaded.default;
  } catch (error) {
    throw new Error('the package acme-client does not load: npm install acme-client@5.4.0', {
      cause: error,
    });
  }
  const { defaults } = library.axios;
  defaults.timeout = REQUEST_MS;
  // What lasts longer is for the pauses between orders.
  Object.assign(defaults.acmeSettings ?? {}, { retryDefaultDelay: 1, retryMaxAttempts: 3 });
  if (ca === '') delete defaults.httpsAgent;
  else defaults.httpsAgent = new Agent({ ca });
  return library;
}
