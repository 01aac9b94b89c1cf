/**
 * A whole body in the hands of filters: parsed once at most, written anew only when changed.
 *
 * Thread: worker.
 */
import { isUtf8 } from 'node:buffer';
import { markNumbers } from './exact-numbers.js';
import { type JsonLimits, type JsonProblem, scanJson } from './json-scan.js';

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
  ) {}

  get isEmpty(): boolean {
    return this.original.length === 0;
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
    const marked = markNumbers(this.original.toString('utf8'));
    const document: unknown = marked === null ? parsed.value : JSON.parse(marked.text);
    const written = JSON.stringify(change(document));
    this.original = Buffer.from(marked === null ? written : marked.restore(written), 'utf8');
    this.parsed = null;
    return true;
  }

  /** What goes on: the bytes that came, unless a filter changed them. */
  bytes(): Buffer {
    return this.original;
  }

  private parse(): ParsedJson {
    const text = this.text();
    if (text === null) return notJson('the body is not UTF-8');
    const problem = scanJson(text, this.limits);
    if (problem !== null) return { isValid: false, problem };
    try {
      return { isValid: true, value: JSON.parse(text) };
    } catch {
      return notJson('the body is not JSON');
    }
  }
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
