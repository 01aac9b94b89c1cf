/**
 * The schema of tokens that are bound to a key of their holder, for all kinds of authenticators
 * that take such tokens.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import { durationNode, stringNode } from '../../schema/schema-node.js';
import { DEFAULTS } from './defaults.js';

const { authenticator: defaults } = DEFAULTS;

export const DPOP_NODES = {
  dpop: stringNode(
    'Tokens that are bound to a key of their holder (`cnf.jkt`, DPoP, RFC 9449) must come with a ' +
      'proof, whatever stands here. `accepted`: callers without credentials are told about the ' +
      'scheme DPoP too. `required`: tokens that are not bound are refused.',
    { 'x-absent': 'bound tokens need a proof', enum: ['accepted', 'required'] },
  ),
  dpopWindow: durationNode(
    'How far the time of a DPoP proof may be from now, either way. For that long it is ' +
      'remembered that it was used.',
    ['1s', '10m'],
    { default: defaults.dpopWindow },
  ),
  dpopMemory: stringNode(
    'Where that is remembered: in each gateway, or in the `store` that gateways share, so that a ' +
      'proof works at one of them only. Without the store proofs are refused then (503).',
    { default: defaults.dpopMemory, enum: ['gateway', 'store'] },
  ),
  dpopNonce: durationNode(
    'A proof must hold a nonce of the gateway, which is good for this time. Clients get one with ' +
      'a 401 (`use_dpop_nonce`), and the next one before it ends (`DPoP-Nonce`).',
    ['10s', '1h'],
    { 'x-absent': 'no nonce is asked for' },
  ),
};
