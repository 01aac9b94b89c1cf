/**
 * The schema of the gateway's own identity (SPIFFE), and of whom it believes by it.
 *
 * Thread: any (pure). A part of config-schema.ts, target-tls-node.ts and tls-nodes.ts.
 */
import { SPIFFE_ID_CHARS_MAX, TRUST_DOMAIN_CHARS_MAX } from '../../base/spiffe-id.js';
import {
  lengthNode,
  listNode,
  objectNode,
  stringNode,
  switchNode,
} from '../../schema/schema-node.js';
import { DEFAULTS } from './defaults.js';

const ID_LENGTH = { minLength: 1, maxLength: SPIFFE_ID_CHARS_MAX };
const DOMAIN_LENGTH = { minLength: 1, maxLength: TRUST_DOMAIN_CHARS_MAX };
const LIST = { minItems: 1, maxItems: 64, uniqueItems: true };

/** The top-level field `spiffe`. */
export const SPIFFE_NODE = objectNode(
  'SpiffeConfig',
  "The agent that issues the gateway's own identity (SPIFFE Workload API), for `tls.spiffe` of " +
    'upstreams and listeners. See docs/mesh.md.',
  {
    endpoint: stringNode(
      'Where the agent is: `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`.',
      {
        'x-absent': 'the variable `SPIFFE_ENDPOINT_SOCKET` of the environment',
        minLength: 1,
        maxLength: 1024,
      },
    ),
    hint: stringNode('Which identity is wanted, where the agent gives several.', {
      'x-absent': 'the first one',
      minLength: 1,
      maxLength: 1024,
    }),
  },
);

/** `spiffe` in `tls` of an upstream or a target. */
export const TARGET_SPIFFE_NODE = switchNode(
  "Whether the gateway shows its own identity (see the top-level `spiffe`), and the target's " +
    "certificate has to name a workload. `true`: any workload of the gateway's own trust domain. " +
    'The certificate must lead to the authorities of that trust domain and no others, and host ' +
    'names in it have no meaning.',
  objectNode('TargetSpiffeConfig', 'Which workloads are believed: one of the three.', {
    id: stringNode('The SPIFFE ID that it must have, such as `spiffe://example.org/orders`.', {
      'x-absent': 'see `ids` and `trustDomain`',
      ...ID_LENGTH,
    }),
    ids: listNode(
      'IDs of one trust domain, one of which it must have.',
      lengthNode(1, SPIFFE_ID_CHARS_MAX),
      { 'x-absent': 'see `id` and `trustDomain`', ...LIST },
    ),
    trustDomain: stringNode('Any workload of this trust domain, such as `example.org`.', {
      'x-absent': "the gateway's own, or that of the IDs",
      ...DOMAIN_LENGTH,
    }),
  }),
  { 'x-absent': 'host names count, as `serverName` says' },
);

/** `spiffe` in `tls` of a listener. */
export const LISTENER_SPIFFE_NODE = switchNode(
  "Whether the listener shows the gateway's own identity (see the top-level `spiffe`), and not " +
    '`certificates`, and clients are workloads. `true`: clients of its own trust domain get in ' +
    'and no others. The authenticator `clientCertificate` makes a consumer of the SPIFFE ID.',
  objectNode('ListenerSpiffeConfig', 'Which clients get in.', {
    clients: stringNode(
      '`require`: nobody without a certificate. `request`: it may be missing. `none`: clients ' +
        'are not asked.',
      { enum: ['require', 'request', 'none'], default: DEFAULTS.listen.tls.spiffe.clients },
    ),
    trustDomains: listNode(
      "The trust domains whose workloads get in, in place of the gateway's own: each is verified " +
        'by the bundle of its own trust domain.',
      lengthNode(1, TRUST_DOMAIN_CHARS_MAX),
      { 'x-absent': "the gateway's own", ...LIST },
    ),
  }),
  { 'x-absent': 'the listener has `certificates` or `acme`' },
);
