/**
 * What the schemas of several kinds of authenticators have in common.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  booleanNode,
  mapNode,
  type SchemaNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { authenticator: defaults } = DEFAULTS;

export const CLAIM_NAME_TEXT = textShape(
  '^[!-~]{1,256}$',
  'the name of a claim: 1 to 256 printable ASCII characters',
);
export const SCOPE_TEXT = textShape(
  '^[!#-[\\]-~]{1,100}$',
  'a scope: 1 to 100 printable ASCII characters without blank, quote and backslash',
);
export const URL_LENGTH = { minLength: 1, maxLength: 2048 };
export const NAME_LENGTH = { minLength: 1, maxLength: 1024 };

export function typeNode<const T extends string>(type: T): SchemaNode<T> {
  return stringNode('Kind of authenticator.', { enum: [type] });
}

/** What every kind has. */
export function commonNodes(forwardsCredentials: boolean) {
  return {
    claimHeaders: mapNode(
      'Fields that the upstream gets, by the claim that each holds: `x-user: sub`. A claim ' +
        'inside another is named with dots: `realm_access.roles`. Printable ASCII except `%` ' +
        'stands as it is, all else is percent-encoded; lists are joined by commas. Fields of ' +
        'these names that the client sends are removed.',
      textNode(CLAIM_NAME_TEXT),
      { propertyNames: textNode(HEADER_NAME_TEXT), maxProperties: 32 },
    ),
    forwardCredentials: booleanNode(
      'Whether the upstream gets the credentials too.',
      forwardsCredentials,
    ),
  };
}

export const CONSUMER_CLAIM_NODE = stringNode('The claim that names the consumer.', {
  ...CLAIM_NAME_TEXT,
  default: defaults.consumerClaim,
});
export const ALLOW_HTTP_NODE = booleanNode(
  'Allows `http://` beyond this machine. Others on the way could then forge what is fetched.',
  false,
);
