/**
 * One record for each request: who asked for what, and what came of it.
 *
 * Thread: any (both ends). Written by whoever finished the request. A record is one write at
 * most, whatever the client sends, so that the lines of several threads do not mix.
 */
import type { Random } from '../base/clock.js';
import { quoteJson } from '../base/json-text.js';
import { PIPE_WRITE_BYTES, type RecordOutput, type ThreadLogger } from './logger.js';
import { REDACTED_TEXT, redactQuery } from './redact-query.js';

/** Longer ones are cut, so that nearly every line stays within one write. */
const TARGET_CHARS_MAX = 1024;
/** Of a line that is too long all the same, since its characters take several bytes each. */
const SHORT_TARGET_CHARS_MAX = 128;
/** The gateway knows no method that is longer; a client may send one that it does not know. */
const METHOD_CHARS_MAX = 16;
/** The same of what credentials say; escaped, a character may take six bytes. */
const CONSUMER_CHARS_MAX = 128;
const HEADER_CHARS_MAX = 128;
/** All header fields of a record, escaped, with their names. */
const HEADERS_BYTES_MAX = 1200;
/** Of a character. */
const UTF8_BYTES_MAX = 3;
/** Never shown, whoever lists them. */
const SECRET_HEADERS: readonly string[] = [
  'authorization',
  'cookie',
  'proxy-authorization',
  'set-cookie',
  'apikey',
  'x-api-key',
  'x-auth-token',
];

/** How a request ended. */
export type RequestEnd =
  | 'complete'
  /** The client left before its reply was complete. */
  | 'clientLeft'
  /** The reply had begun and could not be completed. */
  | 'cut';

/** The client's fields, by lower-case name; '' for one that is not there. */
export interface FieldSource {
  value(name: string): string;
}

export interface AccessRecord {
  readonly requestId: string;
  readonly clientIp: string;
  /** Empty: not known. */
  readonly consumer: string;
  readonly method: string;
  readonly target: string;
  /** Empty: none matched. */
  readonly route: string;
  /** host:port; empty: none was asked. */
  readonly upstreamTarget: string;
  /** Tries at targets, the first included; 0: none was asked. */
  readonly tries: number;
  /** 499: the client left before a reply began. */
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** From the begin of the try that answered to the head of its reply; -1: no head came. */
  readonly upstreamMs: number;
  /** Code of the gateway's own problem, or empty. */
  readonly code: string;
  readonly end: RequestEnd;
  /** null: the head could not be read. */
  readonly fields: FieldSource | null;
  /** The trace that the request belongs to; empty: it is in none that is exported. */
  readonly traceId: string;
}

/** Which requests write a record, and what it shows. */
export interface AccessLogOptions {
  /** Of the requests that no filter names, so many percent write a record: 0 to 100. */
  readonly samplePercent: number;
  /** First and last of each range of statuses that always write one. */
  readonly statuses: readonly (readonly [number, number])[];
  /** Requests that took longer always write one; -1: no such filter. */
  readonly slowerThanMs: number;
  /** Fields of the request to show, lower case. */
  readonly headers: readonly string[];
  /** Those of which only that they were there is shown, lower case, beside the usual ones. */
  readonly secretHeaders: readonly string[];
  /** Query parameters whose values are hidden, lower case. */
  readonly redactQuery: readonly string[];
}

/** null: nobody wants records. */
export function createAccessLog(
  { records }: Pick<ThreadLogger, 'records'>,
  { accessLog }: { readonly accessLog: AccessLogOptions | null },
  random: Random,
): AccessLog | null {
  return accessLog === null ? null : new AccessLog(records, accessLog, random);
}

export class AccessLog {
  private readonly hidden: ReadonlySet<string>;
  private readonly secretHeaders: ReadonlySet<string>;
  private readonly thread: string;

  /** `random` draws the sample. */
  constructor(
    private readonly output: RecordOutput,
    private readonly options: AccessLogOptions,
    private readonly random: Random,
  ) {
    this.hidden = new Set(options.redactQuery);
    this.secretHeaders = new Set([...SECRET_HEADERS, ...options.secretHeaders]);
    this.thread = quoteJson(output.thread);
  }

  /** Whether a request that ended so writes a record. Hot path: once for every request. */
  wants(status: number, durationMs: number): boolean {
    const { samplePercent, statuses, slowerThanMs } = this.options;
    if (samplePercent === 100) return true;
    if (slowerThanMs >= 0 && durationMs > slowerThanMs) return true;
    for (const [first, last] of statuses) if (status >= first && status <= last) return true;
    return samplePercent > 0 && this.random() * 100 < samplePercent;
  }

  /** Hot path where records are on; bench/micro/observability/access-log watches it. */
  write(record: AccessRecord): void {
    const { fields } = record;
    const shown =
      fields !== null && this.options.headers.length > 0 ? this.shown(fields) : undefined;
    const target = redactQuery(record.target, this.hidden);
    const line = this.lineOf(record, cut(target, TARGET_CHARS_MAX), shown);
    const isOneWrite =
      line.length * UTF8_BYTES_MAX <= PIPE_WRITE_BYTES ||
      Buffer.byteLength(line) <= PIPE_WRITE_BYTES;
    this.output.write(
      isOneWrite ? line : this.lineOf(record, cut(target, SHORT_TARGET_CHARS_MAX), undefined),
    );
  }

  private lineOf(
    record: AccessRecord,
    target: string,
    shown: Readonly<Record<string, string>> | undefined,
  ): string {
    const { traceId } = record;
    // Put together here: half of what an object costs that is made for one stringify.
    return (
      `{"level":"info","time":"${this.output.time()}","thread":${this.thread}` +
      `,"requestId":${quoteJson(record.requestId)}` +
      `,"clientIp":${quoteJson(record.clientIp)}` +
      `,"consumer":${quoteJson(cut(record.consumer, CONSUMER_CHARS_MAX))}` +
      `,"method":${quoteJson(cut(record.method, METHOD_CHARS_MAX))}` +
      `,"target":${quoteJson(target)}` +
      `,"route":${quoteJson(record.route)}` +
      `,"upstreamTarget":${quoteJson(record.upstreamTarget)}` +
      `,"tries":${record.tries},"status":${record.status},"bytes":${record.bytes}` +
      `,"durationMs":${inMicroseconds(record.durationMs)}` +
      `,"upstreamMs":${inMicroseconds(record.upstreamMs)}` +
      `,"code":"${record.code}","end":"${record.end}"` +
      (traceId === '' ? '' : `,"traceId":"${traceId}"`) +
      (shown === undefined ? '' : `,"headers":${JSON.stringify(shown)}`) +
      ',"msg":"request"}\n'
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
      // Escaped, or written as UTF-8, a character of a field takes two bytes at most.
      left -= 2 * text.length + name.length + 6;
      if (left < 0) break;
      shown[name] = text;
    }
    return shown;
  }
}

function cut(text: string, charsMax: number): string {
  return text.length > charsMax ? text.slice(0, charsMax) : text;
}

function inMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
