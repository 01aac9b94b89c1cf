/**
 * A whole body in the hands of filters: parsed once at most, written anew only when changed.
 *
 * Thread: worker.
 */
import { isUtf8 } from 'node:buffer';
import { markNumbers, NO_MARKS, type NumberMarks } from './exact-numbers.js';
import { type BodyFormat, FORM_TYPE, readForm, writeForm } from './form-text.js';
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

/** How a body is written when it comes, and when it goes on. */
export interface BodyFormats {
  readonly from: BodyFormat;
  readonly to: BodyFormat;
}

/** Changes a document and returns it; `marks`: of the numbers in it that are texts meanwhile. */
export type DocumentChange = (document: unknown, marks: NumberMarks) => unknown;

/** Why a body cannot be changed: it is not what it should be, or cannot be written so. */
export interface RewriteProblem {
  readonly at: 'read' | 'write';
  readonly detail: string;
}

type ReadDocument =
  | { readonly isValid: true; readonly document: unknown; readonly marks: NumberMarks }
  | { readonly isValid: false; readonly detail: string };

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

  /**
   * Reads the document, changes it and writes it; numbers that stay are written as they came. null:
   * it is done; else nothing has changed.
   */
  rewrite({ from, to }: BodyFormats, change: DocumentChange): RewriteProblem | null {
    const read = from === 'form' ? this.readAsForm() : this.readMarked();
    if (!read.isValid) return { at: 'read', detail: read.detail };
    const { document, marks } = read;
    const changed = change(document, marks) ?? null;
    if (to === 'form') {
      const form = writeForm(changed, marks);
      if (!form.isValid) return { at: 'write', detail: form.detail };
      this.replaceBy(Buffer.from(form.text, 'latin1'));
      return null;
    }
    this.replaceBy(Buffer.from(marks.restore(JSON.stringify(changed)), 'utf8'));
    return null;
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

  private readMarked(): ReadDocument {
    const parsed = this.json();
    if (!parsed.isValid) return { isValid: false, detail: parsed.problem.detail };
    const marked = markNumbers(withoutMark(this.original.toString('utf8')));
    if (marked === null) return { isValid: true, document: parsed.value, marks: NO_MARKS };
    return { isValid: true, document: JSON.parse(marked.text), marks: marked };
  }

  private readAsForm(): ReadDocument {
    const text = this.text();
    if (text === null) return { isValid: false, detail: 'the body is not UTF-8' };
    const form = readForm(text);
    return form.isValid ? { isValid: true, document: form.value, marks: NO_MARKS } : form;
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

export function isOfFormat(mediaType: string, format: BodyFormat): boolean {
  return format === 'form' ? mediaType === FORM_TYPE : isJsonType(mediaType);
}

/** The Content-Type of a body that was written so. */
export const TYPE_OF_FORMAT: Readonly<Record<BodyFormat, string>> = {
  json: 'application/json',
  form: FORM_TYPE,
};

/** The media type in lower case and its charset, if any. */
export function parseContentType(value: string): { mediaType: string; charset: string } {
  const [type = '', ...parameters] = value.split(';');
  const charset = parameters
    .map((one) => /^charset\s*=\s*"?([^"\s]*)"?$/i.exec(one.trim())?.[1])
    .find((one) => one !== undefined);
  return { mediaType: type.trim().toLowerCase(), charset: (charset ?? '').toLowerCase() };
}

/** Whether a body is compressed or the like, by all values of Content-Encoding. */
export function isCoded(codings: readonly string[]): boolean {
  return codings.some((coding) => coding !== '' && coding.toLowerCase() !== 'identity');
}
