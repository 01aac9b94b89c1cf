/**
 * The schema of what a route asks of a request.
 *
 * Thread: any (pure). A part of route-node.ts.
 */
import { HTTP_METHODS } from '../../base/http-method.js';
import {
  booleanNode,
  integerNode,
  lengthNode,
  listNode,
  mapNode,
  objectNode,
  oneOrListNode,
  stringNode,
  textNode,
  textOrNode,
} from '../../schema/schema-node.js';
import {
  HEADER_NAME_TEXT,
  METHOD_OR_ALL_TEXT,
  PATH_LENGTH_MAX,
  textShape,
  VERSION_TEXT,
} from '../../schema/text-shapes.js';

const VALUE_CHARS_MAX = 1024;
const CONDITIONS_MAX = 16;

const CONDITION_NODE = textOrNode(
  'The value, or a condition that says more.',
  objectNode('MatchConditionConfig', 'What a value must be: exactly one of these keys.', {
    exact: stringNode('The value is this text.', { maxLength: VALUE_CHARS_MAX }),
    prefix: stringNode('The value begins with this text.', {
      minLength: 1,
      maxLength: VALUE_CHARS_MAX,
    }),
    pattern: stringNode(
      'The whole value fits this regular expression, which is matched in linear time.',
      { minLength: 1, maxLength: VALUE_CHARS_MAX },
    ),
    present: booleanNode('`true`: there is a value, whatever it is. `false`: there is none.', true),
  }),
  { maxLength: VALUE_CHARS_MAX },
);

const FIELD_NAMES = { propertyNames: textNode(HEADER_NAME_TEXT) } as const;
const QUERY_NAMES = { propertyNames: lengthNode(1, VALUE_CHARS_MAX) } as const;
const ONE = { minProperties: 1, maxProperties: 1 } as const;

const NOT_NODE = objectNode('MatchNotConfig', 'One condition that must not hold.', {
  headers: mapNode('A field of the request, by name.', CONDITION_NODE, { ...FIELD_NAMES, ...ONE }),
  query: mapNode('A parameter of the query, by name.', CONDITION_NODE, { ...QUERY_NAMES, ...ONE }),
  cookies: mapNode('A cookie, by name.', CONDITION_NODE, { ...FIELD_NAMES, ...ONE }),
});

const GRPC_SERVICE_TEXT = textShape(
  '^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$',
  'the full name of a service (written grpc.health.v1.Health)',
);
const GRPC_METHOD_TEXT = textShape('^[A-Za-z_][A-Za-z0-9_]*$', 'the name of a method of a service');

const GRPC_MATCH_NODE = objectNode(
  'GrpcMatchConfig',
  'Calls of gRPC: POST requests to `/SERVICE/METHOD` with the content type of gRPC or gRPC-Web. ' +
    'Anything else there is refused with 415. Without keys: every call. In place of `path` and ' +
    '`methods`.',
  {
    service: stringNode('Full name of the service, with its package.', {
      'x-absent': 'every service',
      maxLength: 255,
      ...GRPC_SERVICE_TEXT,
    }),
    method: stringNode('Name of one method of the service.', {
      'x-absent': 'every method',
      maxLength: 255,
      ...GRPC_METHOD_TEXT,
    }),
  },
);

const METHODS_BY_DEFAULT = `${HTTP_METHODS.slice(0, -1).join(', ')} and ${HTTP_METHODS.at(-1)}`;

const RANGE = { minProperties: 1, maxProperties: CONDITIONS_MAX } as const;

export const MATCH_NODE = objectNode('MatchConfig', 'Which requests a route takes.', {
  path: stringNode(
    '`/exact`, `/with/:param`, `/files/:name.pdf`, `/orders/:id([0-9]+)`, `/prefix/*`, or `~` ' +
      'and a regular expression for the whole path. Needed where there is no `grpc`.',
    { minLength: 1, maxLength: PATH_LENGTH_MAX },
  ),
  grpc: GRPC_MATCH_NODE,
  methods: listNode(
    'HTTP methods, upper case: the usual ones, and any other by its name (`PROPFIND`). `*` ' +
      'stands for all but TRACE and CONNECT.',
    textNode(METHOD_OR_ALL_TEXT),
    { 'x-absent': METHODS_BY_DEFAULT, minItems: 1, maxItems: 64, uniqueItems: true },
  ),
  hosts: listNode(
    'Names of hosts without ports, or `*.` and a name for all names below it.',
    lengthNode(1, 253),
    { 'x-absent': 'every host', minItems: 1, maxItems: 256, uniqueItems: true },
  ),
  headers: mapNode('Fields of the request, by name.', CONDITION_NODE, {
    ...FIELD_NAMES,
    ...RANGE,
  }),
  query: mapNode('Parameters of the query, by name.', CONDITION_NODE, {
    ...QUERY_NAMES,
    ...RANGE,
  }),
  cookies: mapNode('Cookies, by name.', CONDITION_NODE, {
    ...FIELD_NAMES,
    ...RANGE,
  }),
  not: listNode(
    'Conditions of which none may hold: `[{ headers: { X-Bot: { present: true } } }]`. Each ' +
      'names one header field, query parameter or cookie, and none of its values may fit. Each ' +
      'counts as one condition.',
    NOT_NODE,
    { minItems: 1, maxItems: CONDITIONS_MAX, uniqueItems: true },
  ),
  listener: oneOrListNode(
    'Name of the listener that the request came to, or a list of such names.',
    lengthNode(1, 253),
    { 'x-absent': 'every listener', minItems: 1, maxItems: 64, uniqueItems: true },
  ),
  priority: integerNode(
    'Of routes with one host and one path, the one with the higher number is tried first.',
    [-1000, 1000],
    { default: 0 },
  ),
  version: stringNode(
    'Version of the API that a request must ask for; see `versioning`.',
    VERSION_TEXT,
  ),
});
