/**
 * Lets in who calls from an allowed address, and nobody who calls from a denied one.
 *
 * Thread: worker. Owns the verdicts that it remembers: bounded, since looking a range up costs a
 * hundred times as much as finding the address again.
 */
import { BlockList, isIP } from 'node:net';
import { PROBLEMS } from '../../base/gateway-error.js';
import type { RequestStep, StepResult } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledIpFilter } from './options.js';

const REMEMBERED_MAX = 4096;

/** One step for the filters that apply, each of which must let the client in. */
export function ipFilterStep(filters: readonly CompiledIpFilter[]): RequestStep {
  const rules = filters.map(({ allow, deny }) => ({
    allow: allow.length === 0 ? null : rangesOf(allow),
    deny: rangesOf(deny),
  }));
  const remembered = new Map<string, StepResult>();
  const verdictOn = (address: string): StepResult => {
    const version = isIP(address);
    if (version === 0) return DENIED;
    const family = version === 6 ? 'ipv6' : 'ipv4';
    const isLetIn = rules.every(
      ({ allow, deny }) =>
        !deny.check(address, family) && (allow === null || allow.check(address, family)),
    );
    return isLetIn ? null : DENIED;
  };
  return ({ clientIp }) => {
    const known = remembered.get(clientIp);
    if (known !== undefined) return known;
    const verdict = verdictOn(clientIp);
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(clientIp, verdict);
    return verdict;
  };
}

const DENIED = refusal(PROBLEMS.addressDenied, 'Your address may not call this.');

function rangesOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', length] = range.split('/');
    list.addSubnet(address, Number(length), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
