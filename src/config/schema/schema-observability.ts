/**
 * The JSON Schema of logs and traces.
 *
 * Thread: any (pure). A part of schema.ts, which puts it into the whole.
 */
import { DEFAULTS } from '../defaults.js';
import type { AccessLogConfig, LoggingConfig, TracingConfig } from '../observability-config.js';
import {
  durationNode,
  HEADER_NAME_PATTERN,
  HEADER_VALUE_PATTERN,
  LINK_PATTERN,
  listNode,
  mapNode,
  numberNode,
  objectNode,
  PARAMETER_NAME_PATTERN,
  type SchemaNode,
  STATUS_RANGE_PATTERN,
  stringNode,
} from './schema-node.js';

const { logging, tracing } = DEFAULTS;
const PERCENT = [0, 100] as const;

const ACCESS_LOG_NODE = objectNode<AccessLogConfig>('', {
  samplePercent: numberNode(
    'Percent of the requests that no filter names. Absent: 0 beside a filter, else 100.',
    PERCENT,
  ),
  status: listNode(
    'Statuses that are always recorded.',
    { type: ['string', 'integer'], pattern: STATUS_RANGE_PATTERN, minimum: 100, maximum: 599 },
    { minItems: 1, maxItems: 32, uniqueItems: true },
  ),
  slowerThan: durationNode('Requests that take longer are always recorded.', ['0s', '1h']),
  headers: listNode(
    'Fields of the request to show; of credentials and cookies only the presence.',
    { type: 'string', pattern: HEADER_NAME_PATTERN },
    { maxItems: 16, uniqueItems: true },
  ),
});

/** What is logged. */
export const LOGGING_NODE = objectNode<LoggingConfig>('What is logged, and how much.', {
  level: stringNode('Least severe level that is written.', {
    default: logging.level,
    enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  }),
  format: stringNode('json, or text for a person; auto: text at a terminal.', {
    default: logging.format,
    enum: ['auto', 'json', 'text'],
  }),
  accessLog: {
    ...ACCESS_LOG_NODE,
    type: ['boolean', 'object'],
    description:
      'Whether finished requests write one line each, or which of them do and what it shows.',
    default: logging.accessLog,
  },
  redactQuery: listNode(
    'Query parameters whose values are hidden in access records and spans.',
    { type: 'string', pattern: PARAMETER_NAME_PATTERN },
    { default: logging.redactQuery, maxItems: 64, uniqueItems: true },
  ),
});

/** Where spans are sent. */
export const TRACING_NODE: SchemaNode = objectNode<TracingConfig>(
  'Where spans of requests are sent: OTLP over HTTP. Absent: nowhere.',
  {
    endpoint: stringNode('Where spans are posted to, such as http://127.0.0.1:4318/v1/traces.', {
      pattern: LINK_PATTERN,
    }),
    samplePercent: numberNode(
      'Percent of the requests that begin a trace here; others follow their traceparent.',
      PERCENT,
      { default: tracing.samplePercent },
    ),
    serviceName: stringNode('The service.name of the spans.', {
      default: tracing.serviceName,
      minLength: 1,
      maxLength: 255,
    }),
    headers: mapNode(
      'Fields that each export carries, such as a key of the receiver.',
      { type: 'string', maxLength: 4096, pattern: HEADER_VALUE_PATTERN, writeOnly: true },
      {
        type: 'object',
        propertyNames: { type: 'string', pattern: HEADER_NAME_PATTERN },
        maxProperties: 16,
      },
    ),
  },
  'endpoint',
);
