/**
 * A whole body in the hands of filters: parsed once at most, written anew only when changed.
 *
 * Thread: worker.
 */
import { isUtf8 } from 'node:buffer';
import { markNumbers } from './exact-numbers.js';
import { type JsonLimits, type JsonProblem, scanJson } from './json-scan.js';

/** The byte order mark in UTF-8. */
const MARK = Buffer.from('\ufeff', 'utf8');
/** Of JSON: tab, line feed, carriage return, blank. */
const WHITE_SPACE: ReadonlySet<number> = new Set([9, 10, 13, 32]);

/** Why a body cannot be judged. */
export interface ParseProblem {
  readonly rule: JsonProblem['rule'] | 'json' | 'encoding';
  readonly detail: string;
}

/** JSON, or why it is none. */
export type ParsedJson =
  | { readonly isValid: true; readonly value: unknown }
  | { readonly isValid: false; readonly problem: ParseProblem };

export class CollectedBody {
  private parsed: ParsedJson | null = null;

  constructor(
    private original: Buffer,
    private readonly limits: JsonLimits,
    /**
     * Whether a byte order mark is a mistake, as in requests: what is judged is what the target
     * gets, and not every target passes over the mark. In replies it is none.
     */
    private readonly refusesMark = false,
  ) {}

  get isEmpty(): boolean {
    return this.original.length === 0;
  }

  /** Whether there is nothing in it but white space and a byte order mark. */
  get isBlank(): boolean {
    const start = this.original.subarray(0, MARK.length).equals(MARK) ? MARK.length : 0;
    return this.original.subarray(start).every((byte) => WHITE_SPACE.has(byte));
  }

  /** As text, or null when it is not UTF-8. */
  text(): string | null {
    return isUtf8(this.original) ? this.original.toString('utf8') : null;
  }

  /** Parsed on the first call; numbers become doubles. */
  json(): ParsedJson {
    this.parsed ??= this.parse();
    return this.parsed;
  }

  /** Changes the document; numbers that stay are written as they came. False: it is no JSON. */
  editJson(change: (document: unknown) => unknown): boolean {
    const parsed = this.json();
    if (!parsed.isValid) return false;
    const marked = markNumbers(withoutMark(this.original.toString('utf8')));
    const document: unknown = marked === null ? parsed.value : JSON.parse(marked.text);
    const written = JSON.stringify(change(document));
    this.original = Buffer.from(marked === null ? written : marked.restore(written), 'utf8');
    this.parsed = null;
    return true;
  }

  /** Something else goes on in its place. */
  replaceBy(bytes: Buffer): void {
    this.original = bytes;
    this.parsed = null;
  }

  /** What goes on: the bytes that came, unless a filter changed them. */
  bytes(): Buffer {
    return this.original;
  }

  private parse(): ParsedJson {
    const whole = this.text();
    if (whole === null) return notJson('the body is not UTF-8');
    const text = this.refusesMark ? whole : withoutMark(whole);
    const problem = scanJson(text, this.limits);
    if (problem !== null) return { isValid: false, problem };
    try {
      return { isValid: true, value: JSON.parse(text) };
    } catch {
      return notJson('the body is not JSON');
    }
  }
}

/** RFC 8259 section 8.1: a byte order mark before JSON may be passed over. */
function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function notJson(detail: string): ParsedJson {
  return { isValid: false, problem: { rule: 'json', detail } };
}

/** `application/json` and `application/*+json`; parameters are left to the caller. */
export function isJsonType(mediaType: string): boolean {
  return mediaType === 'application/json' || /^[a-z0-9.+_-]+\/[a-z0-9._-]+\+json$/.test(mediaType);
}

/** The media type in lower case and its charset, if any. */
export function parseContentType(value: string): { mediaType: string; charset: string } {
  const [type = '', ...parameters] = value.split(';');
  const charset = parameters
    .map((one) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/i.exec(one)?.[1])
    .find((one) => one !== undefined);
  return { mediaType: type.trim().toLowerCase(), charset: (charset ?? '').toLowerCase() };
}

/** Whether a body is compressed or the like, by all values of Content-Encoding. */
export function isCoded(codings: readonly string[]): boolean {
  return codings.some((coding) => coding !== '' && coding.toLowerCase() !== 'identity');
}
