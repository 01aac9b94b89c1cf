/**
 * The JSON Schema of the filters that a route may have.
 *
 * Thread: any (pure). A part of schema-route.ts and schema.ts.
 */
import type { CorsConfig } from '../../filters/cors/options.js';
import type { RedirectConfig, RespondConfig } from '../../filters/fixed-reply/options.js';
import type { GuardsConfig, MinBodyRateConfig } from '../../filters/guards/options.js';
import type { IpFilterConfig } from '../../filters/ip-filter/options.js';
import type { SecurityHeadersConfig } from '../../filters/security-headers/options.js';
import type {
  RewriteBodyConfig,
  RewriteConfig,
  RewriteFieldsConfig,
  RewriteReplyConfig,
} from '../../filters/transformation/options.js';
import type { ValidationConfig } from '../../filters/validation/options.js';
import type { DeprecationConfig, VersioningConfig } from '../../filters/versioning/options.js';
import { DEFAULTS } from '../defaults.js';
import {
  booleanNode,
  DATE_PATTERN,
  durationNode,
  HEADER_NAME_PATTERN,
  HEADER_VALUE_PATTERN,
  integerNode,
  JSON_VALUE,
  LINK_PATTERN,
  listNode,
  MEDIA_RANGE_PATTERN,
  mapNode,
  objectNode,
  PATH_LENGTH_MAX,
  type SchemaNode,
  sizeNode,
  stringNode,
  TEXT_TYPE_PATTERN,
  VERSION_PATTERN,
} from './schema-node.js';

const HEADER_NAME: SchemaNode = { type: 'string', pattern: HEADER_NAME_PATTERN };
const PARAMETER_NAME: SchemaNode = { type: 'string', minLength: 1, maxLength: 256 };
const POINTER: SchemaNode = { type: 'string', minLength: 2, maxLength: 1024 };
const ADDRESS_RANGE: SchemaNode = { type: 'string', minLength: 2, maxLength: 64 };
const METHOD: SchemaNode = {
  type: 'string',
  enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
};

/** `ipFilter`, of a route and of the whole gateway. */
export const IP_FILTER_NODE = objectNode<IpFilterConfig>('Which client addresses may call.', {
  allow: listNode(
    'Addresses and CIDR ranges that may call; all others may not. Absent: everybody.',
    ADDRESS_RANGE,
    { minItems: 1, maxItems: 10_000, uniqueItems: true },
  ),
  deny: listNode('Addresses and CIDR ranges that may not, whatever allow says.', ADDRESS_RANGE, {
    minItems: 1,
    maxItems: 10_000,
    uniqueItems: true,
  }),
});

export const CORS_NODE = objectNode<CorsConfig>(
  'Which pages of other origins may call from a browser. Preflights are answered here.',
  {
    origins: listNode(
      'Origins such as https://app.example; https://*.example for hosts below it; * for all.',
      { type: 'string', minLength: 1, maxLength: 300 },
      { minItems: 1, maxItems: 1000, uniqueItems: true },
    ),
    methods: listNode("Methods that may be used. Absent: the route's.", METHOD, {
      minItems: 1,
      uniqueItems: true,
    }),
    headers: listNode('Header fields that may be sent.', HEADER_NAME, {
      maxItems: 100,
      uniqueItems: true,
    }),
    exposeHeaders: listNode('Fields of replies that the page may read.', HEADER_NAME, {
      maxItems: 100,
      uniqueItems: true,
    }),
    credentials: booleanNode('Whether cookies and credentials may be sent along.', false),
    maxAge: durationNode('How long a browser may remember a preflight.', ['0s', '24h'], {
      default: DEFAULTS.cors.maxAge,
    }),
  },
  'origins',
);

const SECURITY_FIELD = { maxLength: 4096, pattern: HEADER_VALUE_PATTERN };

/** True for the preset, or an object that changes it. */
export const SECURITY_HEADERS_NODE: SchemaNode = {
  ...objectNode<SecurityHeadersConfig>('', {
    strictTransportSecurity: stringNode('Strict-Transport-Security, or off.', SECURITY_FIELD),
    contentSecurityPolicy: stringNode('Content-Security-Policy, or off.', SECURITY_FIELD),
    contentTypeOptions: stringNode('X-Content-Type-Options, or off.', SECURITY_FIELD),
    frameOptions: stringNode('X-Frame-Options, or off.', SECURITY_FIELD),
    referrerPolicy: stringNode('Referrer-Policy, or off.', SECURITY_FIELD),
    permittedCrossDomainPolicies: stringNode(
      'X-Permitted-Cross-Domain-Policies, or off.',
      SECURITY_FIELD,
    ),
    override: booleanNode('Whether these replace what the target says.', false),
    hideServer: booleanNode('Whether Server and X-Powered-By of the target are removed.', true),
  }),
  type: ['boolean', 'object'],
  description: 'Fields of replies that make browsers stricter: true for the preset.',
};

/** `${…}` is looked at later. */
const TEMPLATE: SchemaNode = {
  type: 'string',
  maxLength: 4096,
  pattern: HEADER_VALUE_PATTERN,
  writeOnly: true,
};

function fieldsNode(description: string, name: SchemaNode): SchemaNode {
  const map = { type: 'object', propertyNames: name, maxProperties: 64 };
  return objectNode<RewriteFieldsConfig>(description, {
    set: mapNode("Fields to set, replacing the client's.", TEMPLATE, map),
    add: mapNode('Fields to add to those that are there.', TEMPLATE, map),
    remove: listNode('Names of fields to remove.', name, { maxItems: 64, uniqueItems: true }),
    rename: mapNode('Old names and new ones.', name, map),
  });
}

/** May be a secret that the target wants, as a field may. */
const SET_VALUE: SchemaNode = { ...JSON_VALUE, writeOnly: true };

const BODY_NODE = objectNode<RewriteBodyConfig>('Members of a JSON body to change, by pointer.', {
  set: mapNode('Members to set, to values of any type.', SET_VALUE, {
    type: 'object',
    propertyNames: POINTER,
    maxProperties: 64,
  }),
  remove: listNode('Members to remove.', POINTER, { maxItems: 64, uniqueItems: true }),
  rename: mapNode('Members to move, where they exist.', POINTER, {
    type: 'object',
    propertyNames: POINTER,
    maxProperties: 64,
  }),
  maxBytes: sizeNode(
    'Largest body that is changed.',
    ['1KiB', '1MiB'],
    DEFAULTS.rewriteBody.maxBytes,
  ),
});

export const VERSIONING_NODE = objectNode<VersioningConfig>(
  'How requests say which version of the API they mean.',
  {
    by: stringNode('Where the version stands: /v1/users, a header field, or a media type.', {
      enum: ['path', 'header', 'mediaType'],
    }),
    header: stringNode('Name of the field, with by: header.', {
      default: DEFAULTS.versioning.header,
      pattern: HEADER_NAME_PATTERN,
    }),
    default: stringNode('Version of a request that says none. Absent: 400.', {
      pattern: VERSION_PATTERN,
    }),
  },
  'by',
);

export const DEPRECATION_NODE = objectNode<DeprecationConfig>(
  'When a route is no longer what clients should use.',
  {
    since: stringNode('Since when: the Deprecation field (RFC 9745).', { pattern: DATE_PATTERN }),
    sunset: stringNode('When it ends: the Sunset field (RFC 8594), and then 410.', {
      pattern: DATE_PATTERN,
    }),
    link: stringNode('A page about it.', { pattern: LINK_PATTERN }),
  },
);

export const GUARDS_NODE = objectNode<GuardsConfig>('How large and how slow requests may be.', {
  headerBytes: sizeNode('Size of the head. Larger: 431.', ['256', '32KiB']),
  headerCount: integerNode('Header fields. More: 431.', [1, 90], {
    default: DEFAULTS.guards.headerCount,
  }),
  bodyBytes: sizeNode('Size of the body, at most limits.bodyBytes. Larger: 413.', ['0', '1024MiB']),
  bodyTimeout: durationNode('How long the body may take as a whole. Longer: 408.', ['100ms', '1h']),
  minBodyRate: objectNode<MinBodyRateConfig>(
    'Slowest body, on the average. Slower: 408.',
    {
      bytesPerSecond: integerNode('Bytes a second.', [1, 1_073_741_824]),
      grace: durationNode('How long a body may be slower at first.', ['100ms', '10m'], {
        default: DEFAULTS.guards.grace,
      }),
    },
    'bytesPerSecond',
  ),
});

function schemaNode(description: string): SchemaNode {
  return {
    type: ['object', 'boolean', 'string'],
    description: `${description} A JSON Schema, or the name of a file with one.`,
    minLength: 1,
    maxLength: 1024,
    additionalProperties: JSON_VALUE,
  };
}

export const VALIDATION_NODE = objectNode<ValidationConfig>('What requests must look like.', {
  dialect: stringNode('Draft of all schemas here.', {
    default: DEFAULTS.validation.dialect,
    enum: ['2020-12', 'draft-07'],
  }),
  body: schemaNode('Of the body, which must be there.'),
  contentTypes: listNode(
    'Media types that a body may have; * for a part. Absent: JSON with body, else any.',
    { type: 'string', pattern: MEDIA_RANGE_PATTERN },
    { minItems: 1, maxItems: 32, uniqueItems: true },
  ),
  query: schemaNode('Of the query, as an object.'),
  params: schemaNode("Of the path's parameters, as an object."),
  headers: schemaNode('Of the header fields, as an object; names in lower case.'),
  maxBodyBytes: sizeNode(
    'Largest body, at most limits.bodyBytes. Larger: 413.',
    ['1KiB', '16MiB'],
    DEFAULTS.validation.maxBodyBytes,
  ),
  maxDepth: integerNode('Objects and lists of the body inside one another.', [1, 256], {
    default: DEFAULTS.validation.maxDepth,
  }),
  maxMembers: integerNode('Members and items of the body in all.', [1, 1_000_000], {
    default: DEFAULTS.validation.maxMembers,
  }),
});

export const REWRITE_NODE = objectNode<RewriteConfig>(
  'What changes in the request on its way to the upstream.',
  {
    stripPrefix: stringNode('Start of the path to cut off: whole segments of match.path.', {
      minLength: 1,
      maxLength: PATH_LENGTH_MAX,
    }),
    addPrefix: stringNode('Put before the path, after stripPrefix.', {
      minLength: 2,
      maxLength: PATH_LENGTH_MAX,
    }),
    path: stringNode(
      "The whole path, in place of the client's; values of the request may stand in it.",
      {
        minLength: 1,
        maxLength: PATH_LENGTH_MAX,
      },
    ),
    query: fieldsNode('Query parameters to change.', PARAMETER_NAME),
    headers: fieldsNode('Header fields to change.', HEADER_NAME),
    body: BODY_NODE,
  },
);

export const REWRITE_REPLY_NODE = objectNode<RewriteReplyConfig>(
  "What changes in the target's reply.",
  { headers: fieldsNode('Header fields to change.', HEADER_NAME), body: BODY_NODE },
);

export const RESPOND_NODE = objectNode<RespondConfig>(
  'A reply that the gateway gives itself, in place of an upstream.',
  {
    status: integerNode('Status.', [200, 599], { default: DEFAULTS.respond.status }),
    body: stringNode('Body; values of the request may stand in it.', { maxLength: 65_536 }),
    contentType: stringNode('Content-Type of the body.', {
      default: DEFAULTS.respond.contentType,
      pattern: TEXT_TYPE_PATTERN,
    }),
    headers: mapNode('Further fields; values of the request may stand in them.', TEMPLATE, {
      type: 'object',
      propertyNames: HEADER_NAME,
      maxProperties: 64,
    }),
  },
);

export const REDIRECT_NODE = objectNode<RedirectConfig>(
  'Where clients are sent, in place of an upstream.',
  {
    to: stringNode('A path, or a URL with its host written out; values of the request after it.', {
      minLength: 1,
      maxLength: 2048,
    }),
    status: integerNode('301, 302, 303, 307 or 308.', [301, 308], {
      default: DEFAULTS.redirect.status,
    }),
    keepQuery: booleanNode(
      'Whether the query of the request is added.',
      DEFAULTS.redirect.keepQuery,
    ),
  },
  'to',
);
