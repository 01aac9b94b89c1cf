/**
 * Lets in who calls from an allowed address, and nobody who calls from a denied one.
 *
 * Thread: worker. Owns the verdicts that it remembers: bounded, since looking a range up costs a
 * hundred times as much as finding the address again.
 */
import { isIP } from 'node:net';
import { PROBLEMS } from '../../base/problems.js';
import { AddressList } from '../address-list.js';
import type { FilterSteps, RequestStep, StepResult } from '../filter.js';
import { refusal } from '../local-reply.js';
import type { CompiledIpFilter } from './options.js';

const REMEMBERED_MAX = 4096;

export function ipFilterSteps(options: CompiledIpFilter): FilterSteps<'enter'> {
  return { enter: ipFilterStep(options) };
}

function ipFilterStep(options: CompiledIpFilter): RequestStep {
  const allow = options.allow.length === 0 ? null : new AddressList(options.allow);
  const deny = new AddressList(options.deny);
  const remembered = new Map<string, StepResult>();
  const verdictOn = (address: string): StepResult => {
    if (isIP(address) === 0) return DENIED;
    const isLetIn = !deny.includes(address) && (allow === null || allow.includes(address));
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
