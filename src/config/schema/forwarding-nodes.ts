/**
 * The schema of what targets and clients get of each other's names: Host, and Via.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import { booleanNode, stringNode } from '../../schema/schema-node.js';
import { DEFAULTS } from './defaults.js';

const KEEPS_HOST =
  'Whether targets get the Host field as the client sent it. Otherwise they get their own name; ' +
  '`Location`, `Content-Location` and the `Domain` of cookies that hold it get the name that the ' +
  'client used. X-Forwarded-Host always has that name.';

/** `preserveHost` of an upstream. */
export const UPSTREAM_HOST_NODE = booleanNode(KEEPS_HOST, undefined, {
  'x-absent':
    'yes for `http://` targets, no for `https://` targets, whose certificate is for their own name',
});

/** `preserveHost` of a route. */
export const ROUTE_HOST_NODE = booleanNode(KEEPS_HOST, undefined, {
  'x-absent': 'what its upstream says',
});

export const VIA_NODE = stringNode(
  'Where the gateway adds itself to the Via field (RFC 9110 7.6.3): `requests` to targets, ' +
    '`replies` to clients, or `both`. Some servers, nginx among them, do not compress replies to ' +
    'requests that have the field. What others wrote there goes on in any case.',
  { default: DEFAULTS.via, enum: ['off', 'requests', 'replies', 'both'] },
);
