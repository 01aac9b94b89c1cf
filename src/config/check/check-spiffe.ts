/**
 * Checks the gateway's own identity (SPIFFE), and whom it believes by it.
 *
 * Thread: any (pure). Runs on the sound part of a configuration.
 */
import { pointerOf } from '../../base/json-pointer.js';
import { spiffeIdProblem, trustDomainOf, trustDomainProblem } from '../../base/spiffe-id.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { ListenTlsConfig, SpiffeConfig, TargetTlsConfig } from '../gateway-config.js';
import { parseSpiffeEndpoint } from '../references/spiffe-endpoint.js';

/** What of `tls` an identity stands in place of. */
const REPLACED_OF_TARGET = ['ca', 'cert', 'key', 'verify'] as const;
const REPLACED_OF_LISTENER = [
  ...['certificates', 'acme', 'clientCertificates', 'strictSni'],
] as const;

/** The top-level field. */
export function checkSpiffe(spiffe: SoundPart<SpiffeConfig> | undefined, findings: Findings): void {
  const endpoint = spiffe?.endpoint;
  if (endpoint === undefined) return;
  const parsed = parseSpiffeEndpoint(endpoint);
  if ('problem' in parsed) findings.addValue(pointerOf('spiffe', 'endpoint'), parsed.problem);
}

/** `own` of a target stands before `shared` of its upstream. */
export function checkTargetSpiffe(
  pointer: string,
  { own, shared }: Readonly<Record<'own' | 'shared', SoundPart<TargetTlsConfig> | undefined>>,
  findings: Findings,
): void {
  const both = { ...shared, ...own };
  const { spiffe } = both;
  if (spiffe === undefined || spiffe === false) return;
  const at = own?.spiffe === undefined ? pointer : `${pointer}/spiffe`;
  for (const key of REPLACED_OF_TARGET) {
    if (both[key] === undefined) continue;
    findings.addKey(at, `stands in place of "${key}": one of the two`);
  }
  if (own?.spiffe === undefined || spiffe === true) return;
  const { id, ids, trustDomain } = spiffe;
  const given = [id, ids, trustDomain].filter((one) => one !== undefined).length;
  if (given !== 1 && !findings.hasUnder(at)) {
    findings.addKey(at, 'needs one of "id", "ids" and "trustDomain"');
  }
  checkId(id, `${at}/id`, findings);
  for (const [place, one] of (ids ?? []).entries()) checkId(one, `${at}/ids/${place}`, findings);
  checkDomain(trustDomain, `${at}/trustDomain`, findings);
  const domains = new Set((ids ?? []).map((one) => trustDomainOf(one ?? '')));
  if (domains.size <= 1 || findings.hasUnder(at)) return;
  const how = 'make an upstream for each, so that each is verified by its own bundle';
  findings.addValue(`${at}/ids`, `has IDs of several trust domains: ${how}`);
}

export function checkListenerSpiffe(
  tls: SoundPart<ListenTlsConfig>,
  pointer: string,
  findings: Findings,
): void {
  const { spiffe } = tls;
  if (spiffe === undefined || spiffe === false) return;
  for (const key of REPLACED_OF_LISTENER) {
    const value = tls[key as keyof typeof tls];
    if (value === undefined || value === false) continue;
    const how = 'put the other one on a listener of its own';
    findings.addKey(`${pointer}/spiffe`, `does not go with "${key}": ${how}`);
  }
  if (spiffe === true) return;
  const at = `${pointer}/spiffe/trustDomains`;
  for (const [place, one] of (spiffe.trustDomains ?? []).entries()) {
    checkDomain(one, `${at}/${place}`, findings);
  }
  if (spiffe.clients === 'none' && spiffe.trustDomains !== undefined) {
    findings.addKey(at, 'nobody is asked who he is (clients: none)');
  }
}

function checkId(id: string | undefined, pointer: string, findings: Findings): void {
  if (id === undefined) return;
  const problem = spiffeIdProblem(id);
  if (problem !== '') findings.addValue(pointer, `${findings.quote(pointer, id)} ${problem}`);
}

function checkDomain(domain: string | undefined, pointer: string, findings: Findings): void {
  if (domain === undefined) return;
  const problem = trustDomainProblem(domain);
  if (problem !== '') findings.addValue(pointer, `${findings.quote(pointer, domain)} ${problem}`);
}
