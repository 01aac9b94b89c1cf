/**
 * The schema of senders of webhooks.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  durationNode,
  listNode,
  objectNode,
  sizeNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, HEADER_VALUE_TEXT } from '../../schema/text-shapes.js';
import { commonNodes, SCOPE_TEXT, typeNode } from './authenticator-parts.js';
import { DEFAULTS } from './defaults.js';

const { hmac: defaults } = DEFAULTS;

export const HMAC_NODE = objectNode(
  'HmacAuthenticatorConfig',
  'Webhooks, whose senders sign the body with a secret that both know (HMAC). The body is ' +
    'collected before anything else is done with the request.',
  {
    type: typeNode('hmac'),
    format: stringNode(
      'How the sender signs: `github` (X-Hub-Signature-256), `stripe` (Stripe-Signature), ' +
        '`slack` (X-Slack-Signature), `standard` (Standard Webhooks: webhook-signature), or ' +
        '`plain`, which the fields below describe.',
      { enum: ['github', 'stripe', 'slack', 'standard', 'plain'] },
    ),
    secrets: listNode(
      'The secrets that both know; each is good. To change one, have both here for a while.',
      stringNode('', { minLength: 16, maxLength: 1024, writeOnly: true }),
      { minItems: 1, maxItems: 8, uniqueItems: true },
    ),
    consumer: stringNode('Who the sender is: the consumer.', {
      'x-absent': 'the name of the authenticator',
      minLength: 1,
      maxLength: 256,
    }),
    scopes: listNode('What the sender may do, for `authorize.scopes`.', textNode(SCOPE_TEXT), {
      maxItems: 32,
      uniqueItems: true,
    }),
    tolerance: durationNode(
      'How old a signed request may be, where the format has a time: for that long one that was ' +
        'overheard could be sent again. `github` has none.',
      ['1s', '1h'],
      { default: defaults.tolerance },
    ),
    bodyBytes: sizeNode('Largest body.', ['1KiB', '16MiB'], { default: defaults.bodyBytes }),
    header: stringNode('`plain`: the field of the signature.', {
      'x-absent': '`x-signature`',
      ...HEADER_NAME_TEXT,
    }),
    prefix: stringNode('`plain`: what stands before the signature, such as `sha256=`.', {
      'x-absent': 'nothing',
      maxLength: 64,
      ...HEADER_VALUE_TEXT,
    }),
    encoding: stringNode('`plain`: how the signature is written.', {
      'x-absent': '`hex`',
      enum: ['hex', 'base64'],
    }),
    algorithm: stringNode('`plain`: the hash.', {
      'x-absent': '`sha256`',
      enum: ['sha256', 'sha384', 'sha512'],
    }),
    timestampHeader: stringNode(
      '`plain`: the field that has the time in seconds since 1970. What is signed is then the ' +
        'time, a dot, and the body.',
      { 'x-absent': 'no time is signed', ...HEADER_NAME_TEXT },
    ),
    ...commonNodes(true),
  },
  'type',
  'format',
  'secrets',
);
