/**
 * The schema of TLS towards targets.
 *
 * Thread: any (pure). A part of upstream-nodes.ts.
 */
import {
  booleanNode,
  listNode,
  objectNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HOST_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';
import { TARGET_SPIFFE_NODE } from './spiffe-nodes.js';

const { tls } = DEFAULTS.upstream;

const PIN_TEXT = textShape(
  '^[A-Za-z0-9+/]{43}=$',
  'a SHA-256 in base64: 44 characters, of which the last is "="',
);

/** Text that holds PEM, or a name of a file. */
const MATERIAL = { minLength: 1, maxLength: 262_144 };

export const TARGET_TLS_NODE = objectNode(
  'TargetTlsConfig',
  'How connections to https targets are made. Files are read with the configuration and with ' +
    'each reload, and watched (`reload.watch`); connections made under other settings are not ' +
    'used any more. Where a file is named the PEM itself may stand instead, as `${VARIABLE}` for ' +
    'example.',
  {
    ca: stringNode(
      'File with the certificates (PEM) of the authorities that are trusted, and no others.',
      {
        'x-absent': 'the authorities that Node.js knows, and those of `NODE_EXTRA_CA_CERTS`',
        ...MATERIAL,
      },
    ),
    cert: stringNode(
      'File with the certificate (PEM) that the gateway shows to the target, and the ' +
        'intermediate ones behind it. Needs `key`.',
      { 'x-absent': 'none', ...MATERIAL },
    ),
    key: stringNode('File with the private key (PEM) of `cert`, not encrypted.', {
      'x-absent': 'none',
      writeOnly: true,
      ...MATERIAL,
    }),
    serverName: stringNode(
      'The name that the certificate must be for, and that is sent as SNI. With `resolve` too it ' +
        'is the name that counts, not the address.',
      { 'x-absent': "the host of the target's URL", ...HOST_TEXT },
    ),
    verify: booleanNode(
      'Whether the certificate must lead to a trusted authority, be valid now, and be for ' +
        '`serverName`. Without that, and without `pins`, anybody on the way can read and change ' +
        'all requests: `validate` and the log warn of it.',
      tls.verify,
    ),
    pins: listNode(
      "SHA-256 of public keys (SubjectPublicKeyInfo, in base64), one of which the target's own " +
        'certificate must have, whatever else is verified.',
      textNode(PIN_TEXT),
      { 'x-absent': 'any key', minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    spiffe: TARGET_SPIFFE_NODE,
    minVersion: stringNode('The oldest version of TLS that is spoken.', {
      default: tls.minVersion,
      enum: ['TLSv1.2', 'TLSv1.3'],
    }),
  },
);
