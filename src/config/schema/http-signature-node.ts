/**
 * The schema of callers who sign their requests.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  durationNode,
  listNode,
  objectNode,
  sizeNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { commonNodes, NAME_LENGTH, SCOPE_TEXT, typeNode } from './authenticator-parts.js';
import { DEFAULTS } from './defaults.js';

const { httpSignature: defaults } = DEFAULTS;

const PRINTABLE_TEXT = textShape('^[ -~]{1,256}$', '1 to 256 printable ASCII characters');
const LABEL_TEXT = textShape(
  '^[a-z*][a-z0-9_.*-]{0,63}$',
  'a label: lower-case letters, digits and _ . * -',
);
const COMPONENT_TEXT = textShape(
  '^(@method|@authority|@scheme|@target-uri|@request-target|@path|@query|' +
    "[a-z0-9!#$%&'*+.^_`|~-]+)$",
  'the name of a field in lower case, or one of @method, @authority, @scheme, @target-uri, ' +
    '@request-target, @path, @query',
);

const KEY_NODE = objectNode(
  'HttpSignatureKeyConfig',
  'A key, and who is known by it. `secret` for hmac-sha256; for all others `publicKey` or ' +
    '`publicKeyFile`.',
  {
    keyId: stringNode('The name of the key: `keyid` of signatures.', PRINTABLE_TEXT),
    consumer: stringNode('Who signs with it: the consumer.', {
      'x-absent': '`keyId`',
      minLength: 1,
      maxLength: 256,
    }),
    algorithm: stringNode(
      'The only algorithm that the key is used with. A signature with another `alg` is refused.',
      {
        enum: [
          ...(['hmac-sha256', 'ed25519', 'ecdsa-p256-sha256'] as const),
          ...(['rsa-pss-sha512', 'rsa-v1_5-sha256'] as const),
        ],
      },
    ),
    secret: stringNode(
      'The shared secret in base64, of 32 bytes or more: `openssl rand -base64 32`.',
      { minLength: 1, maxLength: 1024, writeOnly: true },
    ),
    publicKey: stringNode('The public key or certificate in PEM, or a JWK in JSON.', {
      minLength: 1,
      maxLength: 65_536,
    }),
    publicKeyFile: stringNode(
      'A file that holds such a key. A relative path begins where the configuration file is.',
      NAME_LENGTH,
    ),
    scopes: listNode('What the signer may do, for `authorize.scopes`.', textNode(SCOPE_TEXT), {
      maxItems: 32,
      uniqueItems: true,
    }),
  },
  'keyId',
  'algorithm',
);

export const HTTP_SIGNATURE_NODE = objectNode(
  'HttpSignatureAuthenticatorConfig',
  'Callers who sign their requests (HTTP Message Signatures, RFC 9421). The body is collected ' +
    'before anything else is done with a request that is signed.',
  {
    type: typeNode('httpSignature'),
    keys: listNode('The keys.', KEY_NODE, { minItems: 1, maxItems: 1000 }),
    components: listNode(
      'What a signature must cover; it may cover more. `@target-uri` also covers `@scheme`, ' +
        '`@authority`, `@path` and `@query`; `@request-target` covers `@path` and `@query`.',
      textNode(COMPONENT_TEXT),
      { 'x-absent': '`["@method", "@authority", "@path"]`', maxItems: 32, uniqueItems: true },
    ),
    coverQuery: booleanNode(
      'Whether a signature must cover `@query` where the request has a query.',
      defaults.coverQuery,
    ),
    coverBody: booleanNode(
      'Whether a signature must cover `content-digest` (RFC 9530) where the request has a body. ' +
        'A digest that is covered is always held against the body.',
      defaults.coverBody,
    ),
    label: stringNode('The label of the signature; others are not looked at.', {
      'x-absent': 'any one that fits is enough',
      ...LABEL_TEXT,
    }),
    tag: stringNode('The `tag` of the signature; those with another one, or none, do not count.', {
      'x-absent': 'not looked at',
      ...PRINTABLE_TEXT,
    }),
    maxAge: durationNode(
      'How old a signature may be by its `created`, which it must have: for that long one that ' +
        'was overheard could be sent again.',
      ['1s', '24h'],
      { default: defaults.maxAge },
    ),
    clockSkew: durationNode(
      'How far the clocks may disagree when `created` and `expires` are judged.',
      ['0s', '10m'],
      { default: defaults.clockSkew },
    ),
    memory: stringNode(
      'A signature works once, and where that is remembered: in each gateway, or in the `store` ' +
        'that gateways share. Without the store signatures are refused then (503). Who sends the ' +
        'same request twice in a second needs `nonce`, or other ways to tell the two apart.',
      { 'x-absent': 'it may come again until it is too old', enum: ['gateway', 'store'] },
    ),
    bodyBytes: sizeNode('Largest body of a signed request.', ['1KiB', '16MiB'], {
      default: defaults.bodyBytes,
    }),
    ...commonNodes(true),
  },
  'type',
  'keys',
);
