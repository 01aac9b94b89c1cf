/**
 * The schema of bodies for refusals.
 *
 * Thread: any (pure). A part of config-schema.ts and of route-node.ts.
 */
import {
  integerOrTextNode,
  listNode,
  mapNode,
  objectNode,
  stringNode,
  textNode,
  textOrObjectNode,
} from '../../schema/schema-node.js';
import { textShape, typedShape } from '../../schema/text-shapes.js';

const STATUS_TEXT = textShape(
  '^([45][0-9]{2}|4xx|5xx|default)$',
  'a status from 400 to 599, `4xx`, `5xx` or `default`',
);

const BODY_RANGE = { minLength: 1, maxLength: 65_536 };

const FILE_NODE = objectNode(
  'ErrorFileConfig',
  'A file with the body.',
  {
    file: stringNode(
      'Its name; UTF-8, at most 64 KiB. A relative path begins where the configuration file is.',
      { minLength: 1, maxLength: 1024 },
    ),
  },
  'file',
);

const bodyNode = (type: string) =>
  textOrObjectNode(`The body as ${type}: a text, or a file.`, FILE_NODE, BODY_RANGE);

const ERROR_BODIES_NODE = objectNode('ErrorBodiesConfig', 'Bodies of some statuses, by type.', {
  html: bodyNode('HTML'),
  json: bodyNode('JSON'),
  text: bodyNode('plain text'),
});

/** `errors` of a route and of the whole gateway. */
export const ERRORS_NODE = mapNode(
  'Bodies of replies by which the gateway refuses, by status: `404`, `4xx`, `5xx`, or `default`; ' +
    'the most exact one counts, and that of a route before that of the gateway. Accept of the ' +
    'client chooses the type; without a wish, and where there is none, it is JSON (a problem ' +
    'document unless `json` is given). `{{status}}`, `{{code}}`, `{{title}}`, `{{detail}}` and ' +
    '`{{requestId}}` are replaced, escaped for the type. Replies of targets stay as they are, ' +
    'but where `upstreamErrors` says so.',
  ERROR_BODIES_NODE,
  { propertyNames: textNode(STATUS_TEXT), minProperties: 1, maxProperties: 32 },
);

const CLASS_TEXT = typedShape<'4xx' | '5xx'>(
  '^[45]xx$',
  'a status from 400 to 599, `4xx` or `5xx`',
  "StatusOfTarget = number | '4xx' | '5xx'",
);

/** `upstreamErrors` of a route and of the whole gateway. */
export const UPSTREAM_ERRORS_NODE = listNode(
  'Statuses of targets whose bodies are replaced by those of `errors`: `404`, `4xx`, `5xx`. The ' +
    'status stays, and so do fields that do not describe the body. A reply whose status has no ' +
    'body in `errors` in a type that the client takes stays as it is. `{{code}}` is ' +
    '`upstream_status`. A list of a route counts in place of that of the gateway, an empty one ' +
    'as well.',
  integerOrTextNode([400, 599], CLASS_TEXT),
  { 'x-absent': 'none', maxItems: 32, uniqueItems: true },
);
