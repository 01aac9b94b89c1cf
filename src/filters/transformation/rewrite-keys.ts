/**
 * The keys by which requests and replies are changed. Where it says "values of the request",
 * `${claims.sub}`, `${params.id}`, `${headers.NAME}`, `${query.NAME}`, `${clientIp}` and
 * `${request.NAME}` stand for what the request has there.
 *
 * Thread: any (pure). A part of options.ts.
 */
import {
  booleanNode,
  JSON_VALUE,
  lengthNode,
  listNode,
  mapNode,
  objectNode,
  refined,
  type SchemaNode,
  sizeNode,
  stringNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import {
  HEADER_NAME_TEXT,
  HEADER_VALUE_TEXT,
  PATH_LENGTH_MAX,
  TOKEN_PATTERN,
  textShape,
} from '../../schema/text-shapes.js';

export const BODY_BYTES_BY_DEFAULT = '256KiB';
const CHANGES_MAX = 64;

/** A text with values of the request, which may hold a secret that the target wants. */
const TEMPLATE = refined(textNode(HEADER_VALUE_TEXT), { maxLength: 4096, writeOnly: true });

function fieldsNode(description: string, name: SchemaNode<string>) {
  const names = { propertyNames: name, maxProperties: CHANGES_MAX };
  return objectNode('RewriteFieldsConfig', description, {
    set: mapNode(
      'Names and values to set, whatever was there. One whose value is missing is left out.',
      TEMPLATE,
      names,
    ),
    add: mapNode('Names and values to add to those that are there.', TEMPLATE, names),
    remove: listNode('Names to remove.', name, { maxItems: CHANGES_MAX, uniqueItems: true }),
    rename: mapNode('Old names and new ones.', name, names),
  });
}

const ORDER = 'First `rename` is done, then `remove`, `set` and `add`.';
const HEADERS_NODE = fieldsNode(
  `Header fields to change. Values of the request may stand in values. ${ORDER}`,
  textNode(HEADER_NAME_TEXT),
);
const QUERY_NODE = fieldsNode(
  `Query parameters to change. Values of the request may stand in values. ${ORDER}`,
  lengthNode(1, 256),
);

const POINTER = lengthNode(2, 1024);
const POINTERS = { propertyNames: POINTER, maxProperties: CHANGES_MAX };

/** An empty key in YAML is null, and hardly a wish for a body that says so. */
const TEMPLATE_VALUE: SchemaNode<Readonly<Record<string, unknown>> | readonly unknown[] | string> =
  {
    'x-typescript':
      'TemplateConfig = Readonly<Record<string, unknown>> | readonly unknown[] | string',
    'x-absent': 'the document that came',
    type: ['object', 'array', 'string'],
    minLength: 1,
    maxLength: 4096,
    additionalProperties: JSON_VALUE,
  };

const FORMATS = { enum: ['json', 'form'], default: 'json' } as const;

function bodyNode(description: string) {
  return objectNode('RewriteBodyConfig', description, {
    from: stringNode(
      'What the body is: JSON, or a form (`application/x-www-form-urlencoded`), whose names are ' +
        'members as they are written; one that comes more than once is a list.',
      FORMATS,
    ),
    to: stringNode(
      'What it becomes, with its `Content-Type`. A form can be made of an object of texts, ' +
        'numbers, booleans and lists of these; members that are null are left out.',
      FORMATS,
    ),
    template: refined(TEMPLATE_VALUE, {
      description:
        'The whole document in place of the one that came, with values of the request and ' +
        '`${body.NAME}` in its strings: a member of what came, a member of a member ' +
        '(`${body.user.id}`, `${body.items.0}`), or all of it (`${body.*}`). A string that is ' +
        'one such value and no more keeps its type. Members whose value is missing are left ' +
        'out, items are null. Excludes `set`, `remove` and `rename`.',
      writeOnly: true,
    }),
    set: mapNode(
      'Members to set, to values of any type; parents that are missing are made. Values of the ' +
        'request may stand in strings.',
      refined(JSON_VALUE, { writeOnly: true }),
      POINTERS,
    ),
    remove: listNode('Members to remove.', POINTER, { maxItems: CHANGES_MAX, uniqueItems: true }),
    rename: mapNode('Members to move, where they exist.', POINTER, POINTERS),
    maxBytes: sizeNode('Largest body that is changed.', ['1KiB', '1MiB'], {
      default: BODY_BYTES_BY_DEFAULT,
    }),
  });
}

const MEMBERS =
  'Members of a JSON body to change, by JSON Pointer (RFC 6901), in which `*` stands for every ' +
  'item of a list and every member of an object: `/password` is a member of one object, ' +
  '`/*/password` one of every object of a list, `/items/*/password` one of every object of a ' +
  'list inside. Numbers keep every digit.';

const PATH_LENGTH = { minLength: 1, maxLength: PATH_LENGTH_MAX };

export const REWRITE_NODE = objectNode(
  'RewriteConfig',
  'What changes in the request on its way to the upstream.',
  {
    stripPrefix: stringNode(
      'Start of the path to cut off: whole segments of `match.path`.',
      PATH_LENGTH,
    ),
    addPrefix: stringNode('Put before the path, after `stripPrefix`.', {
      minLength: 2,
      maxLength: PATH_LENGTH_MAX,
    }),
    path: stringNode(
      "The whole path in place of the client's, with values of the request: " +
        '`/v2/items/${params.id}`, or `/files/${params.*}` for what a `*` took. Excludes ' +
        '`stripPrefix` and `addPrefix`.',
      { 'x-absent': "the client's path", ...PATH_LENGTH },
    ),
    query: QUERY_NODE,
    headers: HEADERS_NODE,
    body: bodyNode(`${MEMBERS} A body of another type is refused with 415.`),
  },
);

const AS_TARGET_SAYS = { 'x-absent': 'as the target says' };
const PATH_CHARS = "[A-Za-z0-9._~!$&'()*+,=:@%/-]*";
const PATH_PREFIX = refined(
  textNode(textShape(`^/(?!/)${PATH_CHARS}$`, 'a path that begins with one "/"')),
  PATH_LENGTH,
);
const URL_PREFIX = refined(
  textNode(
    textShape(
      `^(https?://[0-9A-Za-z.:[\\]-]{1,262})?/(?!/)${PATH_CHARS}$`,
      'a path, or an http or https URL with a path',
    ),
  ),
  PATH_LENGTH,
);
const PREFIXES =
  'The longest one that fits is taken. Whole segments: `/app` fits `/app` and `/app/x`. Both end ' +
  'with "/", or neither does.';

const DOMAIN = textNode(
  textShape('^([0-9A-Za-z.-]{1,253}|[*])$', 'a domain, or "*" for all others'),
);
const DOMAIN_OR_NONE = textNode(
  textShape('^[0-9A-Za-z.-]{0,253}$', 'a domain, or "" for no domain at all'),
);

const COOKIES_NODE = objectNode(
  'RewriteCookiesConfig',
  'Attributes of the cookies that the target sets. Those whose name begins with `__Host-` keep ' +
    'their path and have no domain.',
  {
    names: listNode(
      'Cookies that are changed.',
      textNode(textShape(`^${TOKEN_PATTERN}$`, 'the name of a cookie')),
      { minItems: 1, maxItems: CHANGES_MAX, uniqueItems: true, 'x-absent': 'all' },
    ),
    domain: mapNode('Domains as the target names them, and those in their place.', DOMAIN_OR_NONE, {
      propertyNames: DOMAIN,
      maxProperties: CHANGES_MAX,
    }),
    path: mapNode(`Prefixes of paths, and those in their place. ${PREFIXES}`, PATH_PREFIX, {
      propertyNames: PATH_PREFIX,
      maxProperties: CHANGES_MAX,
    }),
    secure: booleanNode('Whether cookies are `Secure`.', undefined, AS_TARGET_SAYS),
    httpOnly: booleanNode('Whether cookies are `HttpOnly`.', undefined, AS_TARGET_SAYS),
    sameSite: stringNode('`SameSite` of cookies. Browsers take `none` with `Secure` only.', {
      enum: ['strict', 'lax', 'none'],
      ...AS_TARGET_SAYS,
    }),
  },
);

export const REWRITE_REPLY_NODE = objectNode(
  'RewriteReplyConfig',
  'What changes in the reply of the target. Replies of the gateway itself stay as they are.',
  {
    location: mapNode(
      'Starts of what the target writes into `Location` and `Content-Location`, and what stands ' +
        'in their place: `/: /shop/` for a target whose root clients know as `/shop/`. A path ' +
        `fits URLs of the host that the client has asked as well. ${PREFIXES}`,
      URL_PREFIX,
      { propertyNames: URL_PREFIX, maxProperties: CHANGES_MAX },
    ),
    cookies: COOKIES_NODE,
    headers: HEADERS_NODE,
    body: bodyNode(
      `${MEMBERS} A body that is larger than \`maxBytes\`, encoded, partial or broken is not let ` +
        'through unchanged: the client gets 502. An empty body stays empty.',
    ),
  },
);

export type RewriteConfig = TypeOf<typeof REWRITE_NODE>;
export type RewriteReplyConfig = TypeOf<typeof REWRITE_REPLY_NODE>;
export type RewriteFieldsConfig = NonNullable<RewriteConfig['headers']>;
export type RewriteCookiesConfig = NonNullable<RewriteReplyConfig['cookies']>;
export type RewriteBodyConfig = NonNullable<RewriteConfig['body']>;
