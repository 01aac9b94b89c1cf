/**
 * The schema of logs and traces.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  durationNode,
  integerOrTextNode,
  listNode,
  mapNode,
  numberNode,
  objectNode,
  refined,
  stringNode,
  switchNode,
  textNode,
} from '../../schema/schema-node.js';
import {
  HEADER_NAME_TEXT,
  HEADER_VALUE_TEXT,
  LINK_TEXT,
  STATUS_RANGE_TEXT,
  textShape,
} from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const QUERY_NAME_TEXT = textShape("^[!-%'-:<>-~]{1,128}$", 'the name of a query parameter');

const { logging, tracing } = DEFAULTS;
const PERCENT = [0, 100] as const;

const ACCESS_LOG_NODE = objectNode(
  'AccessLogConfig',
  'Which requests write an access record. With `status` or `slowerThan`, each request that they ' +
    'name does, and of the others `samplePercent`.',
  {
    samplePercent: numberNode('Percent of the requests that no filter names.', PERCENT, {
      'x-absent': '0 beside `status` or `slowerThan`, else 100',
    }),
    status: listNode(
      'Statuses that are always recorded, such as `404` or `500-599`.',
      integerOrTextNode([100, 599], STATUS_RANGE_TEXT),
      { minItems: 1, maxItems: 32, uniqueItems: true },
    ),
    slowerThan: durationNode('Requests that take longer are always recorded.', ['0s', '1h']),
    headers: listNode(
      'Fields of the request to show. Of `authorization`, `proxy-authorization` and cookies only ' +
        'the presence is shown.',
      textNode(HEADER_NAME_TEXT),
      { maxItems: 16, uniqueItems: true },
    ),
  },
);

/** What is logged. */
export const LOGGING_NODE = objectNode('LoggingConfig', 'What is logged, and how much.', {
  level: stringNode('Least severe level that is written.', {
    default: logging.level,
    enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  }),
  format: stringNode(
    '`json`: one JSON object a line. `text`: lines for a person to read. `auto`: text where ' +
      'standard output is a terminal, else JSON.',
    { default: logging.format, enum: ['auto', 'json', 'text'] },
  ),
  accessLog: switchNode(
    'Whether finished requests write one line each; or which of them do, and what the line shows.',
    ACCESS_LOG_NODE,
    { default: logging.accessLog },
  ),
  redactQuery: listNode(
    'Query parameters whose values are hidden in access records and spans. The names are ' +
      'compared without regard to case.',
    textNode(QUERY_NAME_TEXT),
    { default: logging.redactQuery, maxItems: 64, uniqueItems: true },
  ),
});

/** Where spans are sent. */
export const TRACING_NODE = objectNode(
  'TracingConfig',
  'Where spans of requests are sent: OTLP over HTTP (OpenTelemetry).',
  {
    endpoint: stringNode(
      'Where spans are posted to, such as `http://127.0.0.1:4318/v1/traces`.',
      LINK_TEXT,
    ),
    samplePercent: numberNode(
      'Percent of the requests that begin a trace here. A request that comes with a trace is ' +
        'sampled if that says so.',
      PERCENT,
      { default: tracing.samplePercent },
    ),
    propagation: listNode(
      'Formats in which requests tell the trace that they belong to; of several the first one ' +
        'that is valid counts. A target is told in all of them. `w3c`: traceparent and ' +
        'tracestate; `b3` and `b3multi`: Zipkin, in one field or in X-B3-*; `jaeger`: ' +
        'uber-trace-id.',
      stringNode('', {
        'x-typescript': 'TraceFormatName',
        enum: ['w3c', 'b3', 'b3multi', 'jaeger'],
      }),
      { default: tracing.propagation, minItems: 1, uniqueItems: true },
    ),
    serviceName: stringNode('The `service.name` of the spans.', {
      default: tracing.serviceName,
      minLength: 1,
      maxLength: 255,
    }),
    headers: mapNode(
      'Fields that each export carries, such as a key of the receiver.',
      refined(textNode(HEADER_VALUE_TEXT), { maxLength: 4096, writeOnly: true }),
      { propertyNames: textNode(HEADER_NAME_TEXT), maxProperties: 16 },
    ),
  },
  'endpoint',
);
