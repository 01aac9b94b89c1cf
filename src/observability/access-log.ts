/**
 * One record for each request: who asked for what, and the result.
 *
 * Thread: any (both ends). The thread that finished a request writes its record. A record is at
 * most one write, whatever the client sends, so that the lines of several threads do not mix.
 */
import type { Random } from '../base/clock.js';
import { flat } from '../base/flat-text.js';
import { quoteJson } from '../base/json-text.js';
import type { CompiledAccessLog } from '../config/compiled-observability.js';
import { PIPE_WRITE_BYTES, type RecordOutput, type ThreadLogger } from './logger.js';
import { REDACTED_TEXT, redactQuery } from './redact-query.js';

/** By ten times the version, as lanes have it. */
const PROTOCOL_NAMES = { 10: 'HTTP/1.0', 11: 'HTTP/1.1', 20: 'HTTP/2' } as const;

/** Longer targets are cut, so that nearly every line stays within one write. */
const TARGET_CHARS_MAX = 1024;
/** The cut for a line that is still too long, because its characters take several bytes each. */
const SHORT_TARGET_CHARS_MAX = 128;
/** No method that the gateway knows is longer, but a client may send another. */
const METHOD_CHARS_MAX = 16;
/** Longest consumer name from credentials; with escapes a character may take six bytes. */
const CONSUMER_CHARS_MAX = 128;
const HEADER_CHARS_MAX = 128;
/** Names of services and methods come from the client. */
const CALL_CHARS_MAX = 128;
/** A cause may repeat values of the client. */
const CAUSE_CHARS_MAX = 256;
/** All header fields of a record, escaped, with their names. */
const HEADERS_BYTES_MAX = 1200;
/** Most bytes of one character. */
const UTF8_BYTES_MAX = 3;
/** In place of bodies that would make the line too long. */
const BODIES_CUT = ',"bodies":"too long"';
const PLUGINS_CUT = '"too long"';
/** Never shown, even if the configuration lists them. */
const SECRET_HEADERS: readonly string[] = [
  'authorization',
  'cookie',
  'proxy-authorization',
  'set-cookie',
  'apikey',
  'x-api-key',
  'x-auth-token',
  'sec-websocket-protocol',
];

/** How a request ended. */
export type RequestEnd =
  | 'complete'
  /** It has become a WebSocket, which gets another record when it ends. */
  | 'opened'
  /** The client left before its reply was complete. */
  | 'clientLeft'
  /** The reply had begun and could not be completed. */
  | 'cut';

/** The client's fields, by lower-case name; '' for a field that the request does not have. */
export interface FieldSource {
  value(name: string): string;
}

/** Bodies without what is secret, made when they are asked for; '': there is none to show. */
export interface BodyTexts {
  readonly request: string;
  readonly reply: string;
}

/** A call of gRPC. */
export interface CallRecord {
  /** With its package. */
  readonly service: string;
  readonly method: string;
  /** The code that the client got, or would have. */
  readonly status: number;
}

/** The part of a record that says who has asked for what. */
export interface RecordSubject {
  readonly log: AccessLog;
  readonly text: string;
  // What it is made of beside the head.
  readonly clientIp: string;
  readonly consumer: string;
  readonly route: string;
}

/** Keeps that part for a head that its connection sends over and over. */
export interface KnownSubject {
  subject: RecordSubject | null;
}

export interface AccessRecord {
  readonly requestId: string;
  readonly clientIp: string;
  /** Empty: unknown. */
  readonly consumer: string;
  readonly method: string;
  /** The version of HTTP that the client spoke, times ten. */
  readonly protocol: keyof typeof PROTOCOL_NAMES;
  readonly target: string;
  /** Empty: no route matched. */
  readonly route: string;
  /** host:port; empty: no target was asked. */
  readonly upstreamTarget: string;
  /** Tries at targets, the first included; 0: no target was asked. */
  readonly tries: number;
  /** 499: the client left before a reply began. */
  readonly status: number;
  readonly bytes: number;
  /** What the gateway compressed the reply by; empty: it did not. */
  readonly coding: string;
  readonly durationMs: number;
  /** From the beginning of the successful try to the head of its reply; -1: no head came. */
  readonly upstreamMs: number;
  /** The code of the problem when the gateway itself answered, or empty. */
  readonly code: string;
  /** What was behind that reply and is not told to the client, or empty. */
  readonly cause: string;
  readonly end: RequestEnd;
  /** Of a WebSocket: its close code and what went through it, as JSON; else empty. */
  readonly webSocket?: string;
  /** null: the head could not be read. */
  readonly fields: FieldSource | null;
  /** null: the request is no call of gRPC. */
  readonly call: CallRecord | null;
  /** The trace that the request belongs to; empty: no trace is exported. */
  readonly traceId: string;
  /** What the cache did; empty: the route has none. */
  readonly cache: string;
  /** What its reply has told that it cost, or its reserve; absent or -1: no limit goes by that. */
  readonly cost?: number;
  /** What was done to the request on purpose; empty or absent: nothing. */
  readonly fault?: string;
  /** The upstream in place of the route's own that had the request last; empty or absent: none. */
  readonly fallback?: string;
  /** Why no other upstream got it though its own has failed; empty or absent: no such reason. */
  readonly noFallback?: string;
  /** What plugins have put there, as JSON; absent or empty: nothing. */
  readonly plugins?: string;
  /** null or absent: no bodies are shown. */
  readonly bodies?: BodyTexts | null;
  /** Of its head; null or absent: the head is another each time. */
  readonly known?: KnownSubject | null;
}

/** Takes records of requests. */
export interface RequestLog {
  /** Whether a request with this result gets a record. */
  wants(status: number, durationMs: number): boolean;
  write(record: AccessRecord): void;
}

/** What records are written of. */
export interface RecordOptions {
  /** null: none go to the log. */
  readonly accessLog: CompiledAccessLog | null;
  /** What those show that are kept for a replay. */
  readonly keptRecords: CompiledAccessLog;
}

/**
 * Where the records of a thread go: to its log, into a ring (null: it has none), or to both. null:
 * no records are wanted.
 */
export function createRequestLog(
  { records }: Pick<ThreadLogger, 'records'>,
  ring: { write(line: string): void } | null,
  { accessLog, keptRecords }: RecordOptions,
  random: Random,
): RequestLog | null {
  const log = accessLog === null ? null : new AccessLog(records, accessLog, random);
  if (ring === null) return log;
  const { thread } = records;
  const output = { thread, time: () => records.time(), write: (line: string) => ring.write(line) };
  return new BothLogs(log, new AccessLog(output, keptRecords, random));
}

/** All requests are kept, and those that the log wants are logged. */
class BothLogs implements RequestLog {
  constructor(
    private readonly log: AccessLog | null,
    private readonly kept: AccessLog,
  ) {}

  wants(): boolean {
    return true;
  }

  write(record: AccessRecord): void {
    // What a head's memory says is of one log.
    this.kept.write({ ...record, known: null });
    if (this.log?.wants(record.status, record.durationMs) === true) this.log.write(record);
  }
}

export class AccessLog implements RequestLog {
  private readonly hidden: ReadonlySet<string>;
  private readonly secretHeaders: ReadonlySet<string>;
  private readonly thread: string;
  /** The begin of a line, and the time that it says. */
  private start = '';
  private startTime = '';

  /** `random` draws the sample. */
  constructor(
    private readonly output: RecordOutput,
    private readonly options: CompiledAccessLog,
    private readonly random: Random,
  ) {
    this.hidden = new Set(options.redactQuery);
    this.secretHeaders = new Set([...SECRET_HEADERS, ...options.secretHeaders]);
    this.thread = quoteJson(output.thread);
  }

  /**
   * Whether a request with this result gets a record. Hot path (bench/gateway/plain-get): once for
   * every request.
   */
  wants(status: number, durationMs: number): boolean {
    const { samplePercent, statuses, slowerThanMs } = this.options;
    if (samplePercent === 100) return true;
    if (slowerThanMs >= 0 && durationMs > slowerThanMs) return true;
    for (const [first, last] of statuses) if (status >= first && status <= last) return true;
    return samplePercent > 0 && this.random() * 100 < samplePercent;
  }

  /** Writes a record. Hot path, watched by bench/micro/observability/access-log. */
  write(record: AccessRecord): void {
    const { fields } = record;
    const shown =
      fields !== null && this.options.headers.length > 0 ? this.shown(fields) : undefined;
    const subject = this.subjectOf(record);
    const bodies = this.options.showsBodies ? textOfBodies(record.bodies ?? null) : '';
    let line = this.lineOf(record, subject, shown, bodies);
    // Bodies are what a record can do without.
    if (bodies !== '' && !isOneWrite(line)) line = this.lineOf(record, subject, shown, BODIES_CUT);
    if (!isOneWrite(line)) {
      const short = this.subjectText(record, SHORT_TARGET_CHARS_MAX);
      const plugins = record.plugins ? PLUGINS_CUT : '';
      line = this.lineOf({ ...record, plugins }, short, undefined, '');
    }
    this.output.write(line);
  }

  private lineOf(
    record: AccessRecord,
    subject: string,
    shown: Readonly<Record<string, string>> | undefined,
    bodies: string,
  ): string {
    const { traceId, cause, call, cache, fault = '', webSocket = '', plugins = '' } = record;
    const { fallback = '', noFallback = '', cost = -1 } = record;
    // Concatenation costs half as much as an object that is made only for JSON.stringify.
    return (
      `${this.startOfLine() + quoteJson(record.requestId) + subject}` +
      `,"upstreamTarget":${quoteJson(record.upstreamTarget)}` +
      `,"tries":${record.tries},"status":${record.status},"bytes":${record.bytes}` +
      `,"durationMs":${inMicroseconds(record.durationMs)}` +
      `,"upstreamMs":${inMicroseconds(record.upstreamMs)}` +
      `,"code":"${record.code}","end":"${record.end}"` +
      (webSocket === '' ? '' : `,"webSocket":${webSocket}`) +
      (record.coding === '' ? '' : `,"coding":"${record.coding}"`) +
      (cause === '' ? '' : `,"cause":${quoteJson(cut(cause, CAUSE_CHARS_MAX))}`) +
      (call === null ? '' : textOfCall(call)) +
      (cache === '' ? '' : `,"cache":"${cache}"`) +
      (cost === -1 ? '' : `,"cost":${cost}`) +
      (fault === '' ? '' : `,"fault":"${fault}"`) +
      (fallback === '' ? '' : `,"fallback":${quoteJson(fallback)}`) +
      (noFallback === '' ? '' : `,"noFallback":"${noFallback}"`) +
      (traceId === '' ? '' : `,"traceId":"${traceId}"`) +
      (plugins === '' ? '' : `,"plugins":${plugins}`) +
      bodies +
      (shown === undefined ? '' : `,"headers":${JSON.stringify(shown)}`) +
      ',"msg":"request"}\n'
    );
  }

  /** As far as the value of the request id. Many lines are written in one millisecond. */
  private startOfLine(): string {
    const time = this.output.time();
    if (time !== this.startTime || this.start === '') {
      this.startTime = time;
      this.start = flat(`{"level":"info","time":"${time}","thread":${this.thread},"requestId":`);
    }
    return this.start;
  }

  private subjectOf(record: AccessRecord): string {
    const { clientIp, consumer, route, known = null } = record;
    if (known === null) return this.subjectText(record, TARGET_CHARS_MAX);
    let { subject } = known;
    if (subject === null || !isOf(subject, record, this)) {
      const text = flat(this.subjectText(record, TARGET_CHARS_MAX));
      subject = { log: this, text, clientIp, consumer, route };
      known.subject = subject;
    }
    return subject.text;
  }

  private subjectText(record: AccessRecord, targetCharsMax: number): string {
    const target = cut(redactQuery(record.target, this.hidden), targetCharsMax);
    return (
      `,"clientIp":${quoteJson(record.clientIp)}` +
      `,"consumer":${quoteJson(cut(record.consumer, CONSUMER_CHARS_MAX))}` +
      `,"method":${quoteJson(cut(record.method, METHOD_CHARS_MAX))}` +
      `,"protocol":"${PROTOCOL_NAMES[record.protocol]}","target":${quoteJson(target)}` +
      `,"route":${quoteJson(record.route)}`
    );
  }

  private shown(fields: FieldSource): Record<string, string> {
    const shown: Record<string, string> = {};
    let left = HEADERS_BYTES_MAX;
    for (const name of this.options.headers) {
      const value = fields.value(name);
      if (value === '') continue;
      const text = this.secretHeaders.has(name)
        ? REDACTED_TEXT
        : // Referer and its like hold URLs.
          cut(redactQuery(value, this.hidden), HEADER_CHARS_MAX);
      // A character of a field takes at most two bytes, with its escape or in UTF-8.
      left -= 2 * text.length + name.length + 6;
      if (left < 0) break;
      shown[name] = text;
    }
    return shown;
  }
}

function isOf(subject: RecordSubject, record: AccessRecord, log: AccessLog): boolean {
  return (
    subject.log === log &&
    subject.clientIp === record.clientIp &&
    subject.consumer === record.consumer &&
    subject.route === record.route
  );
}

/** A line that is written at once. */
function isOneWrite(line: string): boolean {
  return (
    line.length * UTF8_BYTES_MAX <= PIPE_WRITE_BYTES || Buffer.byteLength(line) <= PIPE_WRITE_BYTES
  );
}

function textOfBodies(bodies: BodyTexts | null): string {
  if (bodies === null) return '';
  const { request, reply } = bodies;
  return (
    (request === '' ? '' : `,"requestBody":${quoteJson(request)}`) +
    (reply === '' ? '' : `,"replyBody":${quoteJson(reply)}`)
  );
}

function textOfCall({ service, method, status }: CallRecord): string {
  return (
    `,"grpcService":${quoteJson(cut(service, CALL_CHARS_MAX))}` +
    `,"grpcMethod":${quoteJson(cut(method, CALL_CHARS_MAX))},"grpcStatus":${status}`
  );
}

function cut(text: string, charsMax: number): string {
  return text.length > charsMax ? text.slice(0, charsMax) : text;
}

/** By thousandths: what stands behind the whole number. */
const FRACTIONS: readonly string[] = Array.from({ length: 1000 }, (_, thousandths) =>
  String(thousandths / 1000).slice(1),
);
/** From here on a number of microseconds is no small integer. */
const SMALL_MICROSECONDS = 2 ** 30;

/** Milliseconds with at most three digits behind the point. V8 is slow to write fractions. */
export function inMicroseconds(ms: number): string {
  const rounded = Math.round(ms * 1000);
  if (!(rounded >= 0 && rounded < SMALL_MICROSECONDS)) return String(rounded / 1000);
  const whole = rounded | 0;
  return `${(whole / 1000) | 0}${FRACTIONS[whole % 1000]}`;
}
