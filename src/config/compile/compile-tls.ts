/**
 * Compiles TLS of listeners.
 *
 * Thread: loader. A part of compile-listeners.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { durationMs } from '../../base/quantities.js';
import type { AcmeConfig, ListenTlsConfig } from '../gateway-config.js';
import { asciiHost } from '../references/route-match.js';
import { DEFAULTS } from '../schema/defaults.js';
import type { AcmeSettings, TlsSettings } from '../tls-settings.js';
import { compileListenerSpiffe } from './compile-spiffe.js';

const { tls: defaults } = DEFAULTS.listen;

/** null: there is no TLS. */
export function compileTls(tls: ListenTlsConfig | undefined): TlsSettings | null {
  if (tls === undefined) return null;
  const { clientCertificates: client, tickets } = tls;
  return {
    certificates: (tls.certificates ?? []).map(({ cert, key, names, ocsp }) => ({
      cert,
      key,
      names: compileNames(names),
      ocsp: ocsp ?? '',
    })),
    minVersion: tls.minVersion ?? defaults.minVersion,
    maxVersion: tls.maxVersion ?? defaults.maxVersion,
    ciphers: tls.ciphers ?? defaults.ciphers,
    strictSni: tls.strictSni ?? defaults.strictSni,
    clientCertificates:
      client === undefined
        ? null
        : {
            mode: client.mode ?? defaults.clientCertificates.mode,
            ca: client.ca,
            crl: client.crl ?? '',
          },
    tickets: {
      file: tickets?.file ?? '',
      rotateMs: durationMs(tickets?.rotate ?? defaults.tickets.rotate),
    },
    spiffe: compileListenerSpiffe(tls.spiffe),
    acme: compileAcme(tls.acme),
  };
}

/** Names that were checked, in the form in which clients send them. */
function compileNames(names: readonly string[] = []): string[] {
  return names.map((name) => defined(asciiHost(name), 'a checked name'));
}

function compileAcme(acme: AcmeConfig | undefined): AcmeSettings | null {
  if (acme === undefined) return null;
  const { directory = defaults.acme.directory, challenge = defaults.acme.challenge } = acme;
  const names = compileNames(acme.names);
  return { email: acme.email, names, directory, directoryCa: acme.directoryCa ?? '', challenge };
}
