/**
 * Checks TLS towards targets: that it is for somebody, and that its files hold what they should.
 *
 * Thread: loader. A part of check-meaning.ts; skips what the shape check has reported. Each file is
 * read once for each mention.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { TargetConfig, TargetTlsConfig, UpstreamConfig } from '../gateway-config.js';
import { discoveryIn, listedTargets } from '../references/listed-targets.js';
import { parseTargetUrl } from '../references/target-url.js';
import {
  certificatesProblem,
  contextProblem,
  isPair,
  isPem,
  privateKeyProblem,
  readMaterial,
} from '../references/tls-material.js';

import { checkTargetSpiffe } from './check-spiffe.js';

type SoundTls = Pick<SoundPart<TargetTlsConfig>, 'ca' | 'cert' | 'key'>;

export function checkTargetTls(
  name: string,
  { tls, targets: written }: SoundPart<UpstreamConfig>,
  findings: Findings,
): void {
  const targets = listedTargets<SoundPart<TargetConfig> | undefined>(written);
  if (tls !== undefined) {
    const pointer = pointerOf('upstreams', name, 'tls');
    const isForSomebody =
      discoveryIn(written)?.scheme === 'https' ||
      targets.some((target) => isHttps(target?.url) !== false);
    if (!isForSomebody) findings.addKey(pointer, 'no target is https: there is nothing it is for');
    checkMaterial(pointer, tls, findings);
    checkTargetSpiffe(pointer, { own: tls, shared: undefined }, findings);
  }
  for (const [index, target] of targets.entries()) {
    if (target?.tls === undefined) continue;
    const pointer = pointerOf('upstreams', name, 'targets', index, 'tls');
    if (isHttps(target.url) === false) findings.addKey(pointer, 'only for a target with https://');
    checkMaterial(pointer, target.tls, findings);
    checkTargetSpiffe(pointer, { own: target.tls, shared: tls }, findings);
  }
}

/** undefined: something else is wrong with the URL. */
function isHttps(url: string | undefined): boolean | undefined {
  const parsed = url === undefined ? undefined : parseTargetUrl(url);
  return parsed?.isValid === true ? parsed.target.tls : undefined;
}

/** Checks certificates and a key, given as files or as PEM. */
export function checkMaterial(pointer: string, tls: SoundTls, findings: Findings): void {
  const ca = soundText(`${pointer}/ca`, tls.ca, certificatesProblem, findings);
  const cert = soundText(`${pointer}/cert`, tls.cert, certificatesProblem, findings);
  const key = soundText(`${pointer}/key`, tls.key, privateKeyProblem, findings);
  if (tls.cert !== undefined && tls.key === undefined && !findings.hasUnder(`${pointer}/key`)) {
    findings.addKey(`${pointer}/cert`, 'needs key, its private key, beside it');
  }
  if (tls.key !== undefined && tls.cert === undefined && !findings.hasUnder(`${pointer}/cert`)) {
    findings.addKey(`${pointer}/key`, 'needs cert, its certificate, beside it');
  }
  if (cert !== undefined && key !== undefined && !isPair(cert, key)) {
    const [certName, keyName] = [nameOf(tls.cert), nameOf(tls.key)];
    const message = `the key (${keyName}) does not belong to the certificate (${certName})`;
    findings.addValue(`${pointer}/key`, message);
  }
  if (findings.hasUnder(pointer)) return;
  const problem = contextProblem({ ca, cert, key });
  if (problem !== undefined) findings.addValue(pointer, `cannot be used: ${problem}`);
}

function soundText(
  pointer: string,
  value: string | undefined,
  problemOf: (text: string) => string | undefined,
  findings: Findings,
): string | undefined {
  if (value === undefined) return undefined;
  const read = readMaterial(value);
  const problem = 'problem' in read ? read.problem : problemOf(read.text);
  if (problem === undefined && 'text' in read) return read.text;
  findings.addValue(pointer, isPem(value) ? `${problem}` : `${value}: ${problem}`);
  return undefined;
}

function nameOf(value: string | undefined): string {
  return value === undefined || isPem(value) ? 'in the configuration' : value;
}
