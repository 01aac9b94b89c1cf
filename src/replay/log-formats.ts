/**
 * Reads lines of access logs: our own records, those of Caddy (both JSON), and the combined format
 * of nginx and Apache.
 *
 * Thread: any (pure). A log is a file that others wrote, with texts of strangers in it: whatever a
 * line holds, it is read or refused, and nothing else.
 */
import { isIP } from 'node:net';
import {
  type LogLine,
  OTHER_LINE,
  type RecordedRequest,
  UNREADABLE_LINE,
} from './recorded-request.js';

/** What a client can have sent, as far as it can be sent again: no blank, no control character. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;
const TARGET = /^(?:\/|\*$)[^\s\p{Cc}]*$/u;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELDS_MAX = 100;

type Json = Readonly<Record<string, unknown>>;

/** What one line says. */
export function readLogLine(line: string): LogLine {
  if (line === '') return OTHER_LINE;
  return line.startsWith('{') ? readJson(line) : readCombined(line);
}

function readJson(line: string): LogLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return UNREADABLE_LINE;
  }
  const record = objectOf(value);
  const asked = objectOf(record['request']);
  if (typeof asked['uri'] === 'string') return readCaddy(record, asked);
  return record['msg'] === 'request' && 'target' in record ? readOwn(record) : OTHER_LINE;
}

function readOwn(record: Json): LogLine {
  // A WebSocket has a record at its end as well: it is one request.
  if (record['webSocket'] !== undefined && record['end'] !== 'opened') return OTHER_LINE;
  const endedUnixMs = Date.parse(textOf(record['time']));
  const durationMs = numberOf(record['durationMs']);
  const fields = Object.entries(objectOf(record['headers']));
  const isCall = record['grpcService'] !== undefined;
  return requestOf({
    beganUnixMs: endedUnixMs - durationMs,
    durationMs,
    method: textOf(record['method']),
    target: textOf(record['target']),
    host: '',
    clientIp: textOf(record['clientIp']),
    consumer: textOf(record['consumer']),
    status: numberOf(record['status']),
    code: textOf(record['code']),
    route: textOf(record['route']),
    fields: [
      ...(isCall ? [['content-type', 'application/grpc'] as const] : []),
      ...fields.map(([name, field]) => [name.toLowerCase(), textOf(field)] as const),
    ],
  });
}

function readCaddy(record: Json, asked: Json): LogLine {
  const { ts, duration, user_id: userId } = record;
  const endedUnixMs = typeof ts === 'number' ? ts * 1000 : Date.parse(textOf(ts));
  const durationMs = Math.max(0, numberOf(duration) * 1000);
  return requestOf({
    beganUnixMs: endedUnixMs - durationMs,
    durationMs,
    method: textOf(asked['method']),
    target: textOf(asked['uri']),
    host: textOf(asked['host']),
    clientIp: textOf(asked['client_ip'] ?? asked['remote_ip']),
    consumer: textOf(userId),
    status: numberOf(record['status']),
    code: '',
    route: '',
    fields: Object.entries(objectOf(asked['headers'])).flatMap(([name, values]) =>
      listOf(values).map((value) => [name.toLowerCase(), value] as const),
    ),
  });
}

const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
/** address - user [time] "request" status bytes, and "referer" "agent" where they are there. */
const COMBINED = new RegExp(
  `^(?:\\S+ )?(\\S+) \\S+ (\\S+) \\[([^\\]]+)\\] ${QUOTED} (\\d{3}) \\S+(?: ${QUOTED} ${QUOTED})?`,
);
const LOCAL_TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})$/;

function readCombined(line: string): LogLine {
  const [, clientIp = '', user = '', time = '', asked = '', status = '', referer, agent] =
    COMBINED.exec(line) ?? [];
  if (time === '') return UNREADABLE_LINE;
  const [method = '', target = '', version] = unescaped(asked).split(' ');
  if (version === undefined) return UNREADABLE_LINE;
  const fields: (readonly [string, string])[] = [];
  for (const [name, value = '-'] of [
    ['referer', referer],
    ['user-agent', agent],
  ] as const) {
    if (value !== '-') fields.push([name, unescaped(value)]);
  }
  return requestOf({
    beganUnixMs: localTime(time),
    durationMs: 0,
    method,
    target,
    host: '',
    clientIp,
    consumer: user === '-' ? '' : unescaped(user),
    status: Number(status),
    code: '',
    route: '',
    fields,
  });
}

/** `[28/Nov/2026:10:00:00 +0100]` is `2026-11-28T10:00:00+01:00`. */
function localTime(text: string): number {
  const [, day, month, year, time, hours, minutes] = LOCAL_TIME.exec(text) ?? [];
  return Date.parse(`${day} ${month} ${year} ${time} ${hours}${minutes}`);
}

/** nginx writes `\xHH`, Apache also `\"` and `\\`. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(?:x([0-9A-Fa-f]{2})|(.))/g, (_, hex: string, char: string) =>
    hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Of a refused head the gateway records what it could read, which may be nothing. */
function requestOf(request: RecordedRequest): LogLine {
  const { beganUnixMs, method, target, clientIp, status } = request;
  const isSound =
    Number.isFinite(beganUnixMs) &&
    METHOD.test(method) &&
    TARGET.test(target) &&
    isIP(clientIp) !== 0 &&
    status >= 100 &&
    status <= 599;
  if (!isSound) return UNREADABLE_LINE;
  const fields = request.fields.filter(isField).slice(0, FIELDS_MAX);
  const host = request.host || (fields.find(([name]) => name === 'host')?.[1] ?? '');
  const others = fields.filter(([name]) => name !== 'host');
  return { kind: 'request', request: { ...request, host, fields: others } };
}

function isField([name, value]: readonly [string, string]): boolean {
  return FIELD_NAME.test(name) && !/[\r\n\0]/.test(value);
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(textOf) : [textOf(value)];
}
