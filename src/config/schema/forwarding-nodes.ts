/**
 * The schema of how paths go on, and what targets and clients get of each other's names.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import { booleanNode, objectNode, refined, stringNode } from '../../schema/schema-node.js';
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

/** `paths` of the whole gateway. */
export const PATHS_NODE = objectNode(
  'PathsConfig',
  'What becomes of paths that targets read in different ways. Routes may have their own.',
  {
    encodedSlash: stringNode(
      '`%2F` and `%5C` in paths. `keep`: they are characters of a name, in the path that is ' +
        'routed and in that which the target gets. Choose it only where no target takes them for ' +
        'a slash: such a target would serve `/admin%2Fx` without the rules of ' +
        '`/admin/*`. `decode`: both are a slash, for routes and for the target. `refuse`: 400.',
      {
        'x-absent':
          'kept; but 400 where the path, with slashes in their place, would come to a route with ' +
          'other rules',
        enum: ['refuse', 'keep', 'decode'],
      },
    ),
    merge: booleanNode(
      'Whether targets get one slash where there are several. Routes are always found as if ' +
        'there were one.',
      DEFAULTS.paths.merge,
    ),
  },
);

/** `paths` of a route. */
export const ROUTE_PATHS_NODE = refined(PATHS_NODE, {
  description: 'What becomes of paths that targets read in different ways.',
  'x-absent': 'what `paths` of the whole gateway says, key by key',
});
