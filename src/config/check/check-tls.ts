/**
 * Checks TLS of listeners: that files can be read, keys fit, names are covered, ciphers exist.
 *
 * Thread: loader. A part of check-listeners.ts. Each file is read once for each mention, and what
 * was read of a pair is remembered for whoever serves it.
 */
import { statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { urlProblem } from '../../base/safe-url.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { ListenCertificateConfig, ListenTlsConfig } from '../gateway-config.js';
import { readBoundedFile, readKeyFile } from '../references/key-material.js';
import { STAPLE_BYTES_MAX } from '../references/ocsp-response.js';
import { looksOf, rememberPair } from '../references/read-pairs.js';
import { asciiHost } from '../references/route-match.js';
import {
  authoritiesProblem,
  readServerPair,
  revocationsProblem,
} from '../references/server-certificate.js';
import { readTicketKeys } from '../references/ticket-keys.js';
import { DEFAULTS } from '../schema/defaults.js';

import { checkListenerSpiffe } from './check-spiffe.js';

/** A context takes a millisecond: the first ones are made, and all pairs are read. */
const CONTEXTS_TRIED = 64;

/** Lists of revoked certificates may be long. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;

interface Place {
  readonly pointer: string;
  readonly findings: Findings;
}

interface TlsPlace extends Place {
  /** There is somewhere to keep keys. */
  readonly hasStateDir: boolean;
  /** Certificates come from elsewhere as well: secrets of Kubernetes. */
  readonly hasOthers: boolean;
}

export function checkTls(
  tls: SoundPart<ListenTlsConfig>,
  { pointer, findings, hasStateDir, hasOthers }: TlsPlace,
): void {
  const { certificates = [] } = tls;
  const isOwn = tls.spiffe !== undefined && tls.spiffe !== false;
  const isShown = hasOthers || isOwn || certificates.length > 0 || tls.acme !== undefined;
  if (!isShown && !findings.hasUnder(pointer)) {
    const what = 'needs "certificates", "acme" or "spiffe"';
    findings.addKey(pointer, `${what}: there is nothing to show clients`);
  }
  checkListenerSpiffe(tls, pointer, findings);
  checkVersions(tls, { pointer, findings });
  checkCiphers(tls.ciphers, { pointer: `${pointer}/ciphers`, findings });
  certificates.forEach((one, at) => {
    const place = { pointer: `${pointer}/certificates/${at}`, findings };
    if (one !== undefined) checkCertificate(one, place, at < CONTEXTS_TRIED);
  });
  const { clientCertificates: client, tickets } = tls;
  const atClient = `${pointer}/clientCertificates`;
  checkFile(client?.ca, authoritiesProblem, { pointer: `${atClient}/ca`, findings });
  checkFile(client?.crl, revocationsProblem, { pointer: `${atClient}/crl`, findings });
  if (tickets?.file !== undefined) {
    const keys = readTicketKeys(tickets.file);
    if ('problem' in keys) findings.addValue(`${pointer}/tickets/file`, keys.problem);
  }
  checkAcme(tls, { pointer: `${pointer}/acme`, findings, hasStateDir });
}

function checkVersions(tls: SoundPart<ListenTlsConfig>, { pointer, findings }: Place): void {
  const { minVersion = DEFAULTS.listen.tls.minVersion, maxVersion } = tls;
  if (maxVersion === undefined || minVersion <= maxVersion) return;
  findings.addValue(`${pointer}/maxVersion`, 'must not be older than minVersion');
}

function checkCiphers(ciphers: string | undefined, { pointer, findings }: Place): void {
  if (ciphers === undefined) return;
  try {
    createSecureContext({ ciphers });
  } catch {
    findings.addValue(pointer, "has no cipher that OpenSSL knows; write them in OpenSSL's form");
  }
}

function checkCertificate(
  config: SoundPart<ListenCertificateConfig>,
  { pointer, findings }: Place,
  isTried: boolean,
): void {
  checkNames(config.names ?? [], { pointer: `${pointer}/names`, findings });
  checkStaple(config.ocsp, { pointer: `${pointer}/ocsp`, findings });
  const looks = looksNow(config.cert, config.key);
  const cert = fileText(config.cert, { pointer: `${pointer}/cert`, findings });
  const key = fileText(config.key, { pointer: `${pointer}/key`, findings });
  if (cert === undefined || key === undefined || findings.hasUnder(`${pointer}/names`)) return;
  const names = (config.names ?? []).map((name) => asciiHost(name ?? '') ?? '');
  const reading = readServerPair({ cert, key, names });
  rememberPair({ cert: config.cert ?? '', key: config.key ?? '', names }, reading, looks);
  if ('problem' in reading) {
    findings.addValue(`${pointer}/${reading.part}`, reading.problem);
  } else if (isTried) {
    try {
      createSecureContext({ cert: reading.pair.chain, key: reading.pair.key });
    } catch (error) {
      const reason: unknown = error instanceof Error ? Reflect.get(error, 'reason') : undefined;
      findings.addValue(`${pointer}/cert`, `OpenSSL does not take it: ${reason ?? 'no reason'}`);
    }
  }
}

/** Before they are read: a change in between is noticed by whoever takes the pair. */
function looksNow(...files: readonly (string | undefined)[]): string {
  try {
    return looksOf(files.map((file) => statSync(file ?? '')));
  } catch {
    // Reading says what is wrong.
    return '';
  }
}

function checkNames(names: SoundPart<readonly string[]>, { pointer, findings }: Place): void {
  names.forEach((name, at) => {
    if (name === undefined || asciiHost(name) !== undefined) return;
    const problem = 'is no name of a host: write it without port, "*." only at its start';
    findings.addValue(`${pointer}/${at}`, `${findings.quote(`${pointer}/${at}`, name)} ${problem}`);
  });
}

function checkFile(
  file: string | undefined,
  problemOf: (text: string) => string | undefined,
  place: Place,
): void {
  const text = fileText(file, place);
  const problem = text === undefined ? undefined : problemOf(text);
  if (problem !== undefined) place.findings.addValue(place.pointer, problem);
}

/** What is in it is no reason to refuse a certificate, which serves without it as well. */
function checkStaple(file: string | undefined, { pointer, findings }: Place): void {
  if (file === undefined) return;
  const read = readBoundedFile(file, STAPLE_BYTES_MAX);
  if ('problem' in read) findings.addValue(pointer, `${file}: ${read.problem}`);
}

function fileText(file: string | undefined, { pointer, findings }: Place): string | undefined {
  if (file === undefined) return undefined;
  const read = readKeyFile(file, FILE_BYTES_MAX);
  if ('text' in read) return read.text;
  findings.addValue(pointer, `${file}: ${read.problem}`);
  return undefined;
}

function checkAcme(
  { acme }: SoundPart<ListenTlsConfig>,
  { pointer, findings, hasStateDir }: Place & { readonly hasStateDir: boolean },
): void {
  if (acme === undefined) return;
  checkNames(acme.names ?? [], { pointer: `${pointer}/names`, findings });
  for (const [at, name] of (acme.names ?? []).entries()) {
    if (name?.startsWith('*.') !== true) continue;
    findings.addValue(
      `${pointer}/names/${at}`,
      'a wildcard cannot be proved by http-01 or tls-alpn-01',
    );
  }
  if (acme.directory !== undefined) {
    const problem = urlProblem(acme.directory, false);
    if (problem !== '') findings.addValue(`${pointer}/directory`, problem);
  }
  checkFile(acme.directoryCa, authoritiesProblem, { pointer: `${pointer}/directoryCa`, findings });
  if (!hasStateDir) findings.addKey(pointer, 'needs "stateDir": the folder for keys');
}
