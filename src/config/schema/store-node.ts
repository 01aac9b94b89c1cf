/**
 * The schema of the store that several gateways share.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  listNode,
  objectNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HOST_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { store } = DEFAULTS;

const URL_LENGTH = { minLength: 1, maxLength: 2048 };
const SECRET = { minLength: 1, maxLength: 1024, writeOnly: true };
const SEALING_SECRET = { minLength: 32, maxLength: 1024, writeOnly: true };
const USER = { minLength: 1, maxLength: 256 };
const PREFIX_TEXT = textShape(
  '^[A-Za-z0-9_.:-]{1,64}$',
  'letters, digits, "_", ".", ":" and "-", at most 64 of them',
);
/** Text that holds PEM, or a name of a file. */
const MATERIAL = { minLength: 1, maxLength: 262_144 };

const STORE_TLS_NODE = objectNode(
  'StoreTlsConfig',
  'How connections to a store with `rediss://` are made. Where a file is named the PEM itself ' +
    'may stand instead, as `${VARIABLE}` for example.',
  {
    ca: stringNode(
      'File with the certificates (PEM) of the authorities that are trusted, and no others.',
      { 'x-absent': 'the authorities that Node.js knows', ...MATERIAL },
    ),
    cert: stringNode('File with the certificate (PEM) of the gateway. Needs `key`.', {
      'x-absent': 'none',
      ...MATERIAL,
    }),
    key: stringNode('File with the private key (PEM) of `cert`, not encrypted.', {
      'x-absent': 'none',
      writeOnly: true,
      ...MATERIAL,
    }),
    serverName: stringNode('The name that the certificate of the store must be for.', {
      'x-absent': 'the host of the URL',
      ...HOST_TEXT,
    }),
    verify: booleanNode(
      'Whether the certificate must lead to a trusted authority and be for `serverName`.',
      store.tls.verify,
    ),
  },
);

const SENTINEL_NODE = objectNode(
  'StoreSentinelConfig',
  'The store is what these Sentinels say: `url` or `urls` name the Sentinels.',
  {
    name: stringNode('The name by which the Sentinels know the server (`sentinel monitor NAME`).', {
      minLength: 1,
      maxLength: 128,
    }),
    username: stringNode('User of the Sentinels themselves.', { 'x-absent': 'none', ...USER }),
    password: stringNode('Password of the Sentinels themselves.', {
      'x-absent': 'none',
      ...SECRET,
    }),
  },
  'name',
);

/** `store` of the whole gateway. */
export const STORE_NODE = objectNode(
  'StoreConfig',
  'A Redis or Valkey server that several gateways share: limits with `scope: cluster` count over ' +
    'all of them. The gateway starts and serves without it as well. See docs/cluster.md.',
  {
    type: stringNode('What the store is. Valkey speaks the same protocol.', {
      enum: ['redis'],
    }),
    url: stringNode(
      '`redis://HOST:PORT`, or `rediss://HOST:PORT` over TLS; a user, a password and the number ' +
        'of a database may stand in it.',
      { 'x-absent': 'see `urls`', ...URL_LENGTH },
    ),
    urls: listNode(
      'Several of these, in place of `url`: Sentinels, or nodes of a Redis Cluster.',
      textNode({ ...textShape('^rediss?://', 'redis://HOST:PORT or rediss://HOST:PORT') }),
      { 'x-absent': 'see `url`', minItems: 1, maxItems: 64, uniqueItems: true },
    ),
    sentinel: SENTINEL_NODE,
    cluster: booleanNode(
      'Whether the store is a Redis Cluster. Its other nodes are found by those of `urls`.',
      store.cluster,
    ),
    username: stringNode('User of the store (ACL).', { 'x-absent': 'the default user', ...USER }),
    password: stringNode('Password of the store. Best given as a variable: `${STORE_PASSWORD}`.', {
      'x-absent': 'none',
      ...SECRET,
    }),
    secret: stringNode(
      'What gateways seal with that they keep in the store (AES-256-GCM): sessions and keys of ' +
        'the token service, API keys. Values of sticky cookies follow from it. The same for all ' +
        'gateways that share the store. Best given as a variable: `${STORE_SECRET}`.',
      { 'x-absent': 'none: nothing is kept that would need it', ...SEALING_SECRET },
    ),
    tls: STORE_TLS_NODE,
    prefix: stringNode(
      'What the keys in the store begin with. Gateways with the same prefix share their limits.',
      { default: store.prefix, ...PREFIX_TEXT },
    ),
    timeout: durationNode(
      'Longest time for which a request waits for the store. While the store is known to be lost ' +
        'nobody waits.',
      ['2ms', '50ms'],
      { default: store.timeout },
    ),
    nodes: integerNode(
      'How many gateways share the store at least. `onStoreLost: share` divides by it, or by how ' +
        'many there were when the store was last reached, whichever is more.',
      [1, 1024],
      { default: store.nodes },
    ),
  },
  'type',
);
