/**
 * The reply to one request that a stored reply makes: whole, a part of it, or 304.
 *
 * Thread: any (pure). RFC 9110 sections 13 and 14, RFC 9111 section 4.
 */
import type { Moment } from '../../base/clock.js';
import {
  entriesOf,
  type FieldBlock,
  field,
  joinFields,
  NO_FIELDS,
  withoutFields,
} from '../../base/field-block.js';
import type { EntryHead } from '../../channel/cache/cache-entry.js';
import {
  askedRanges,
  type ByteRange,
  contentRange,
  multipartBody,
} from '../../policy/caching/byte-ranges.js';
import {
  type Conditions,
  isSameForRange,
  isUnmodified,
  type Validators,
} from '../../policy/caching/conditional.js';
import { ageMs } from '../../policy/caching/freshness.js';
import { listOf } from '../../policy/caching/storing.js';

/** What a request asks of a stored reply; '' for what it does not. */
export interface MemoryRequest extends Conditions {
  readonly method: string;
  readonly range: string;
}

export interface MemoryReply {
  readonly status: number;
  readonly fields: FieldBlock;
  readonly date: string;
  /** Content-Length; -1: none. */
  readonly bodyBytes: number;
  readonly body: Buffer;
}

const NO_BODY = Buffer.alloc(0);
/** What a 304 repeats of the reply that it stands for (RFC 9110 section 15.4.5). */
const KEPT_IN_304 = new Set([
  ...['cache-control', 'content-location', 'etag', 'expires', 'vary', 'last-modified'],
  ...['cdn-cache-control', 'set-cookie'],
]);
/** What describes the stored body, and no other. */
const OF_THE_BODY = new Set(['content-length', 'content-range', 'content-type']);
const BOUNDARY_START = 'sluice-part';
/** Each costs a search through the whole body, which may hold as many as its author likes. */
const BOUNDARIES_MAX = 4;

export function validatorsOf({ fields, date }: EntryHead): Validators {
  return {
    etag: listOf(fields, 'etag'),
    lastModified: listOf(fields, 'last-modified'),
    date,
  };
}

/** `body`: null where only a head is asked for, which then has `bodyBytes`. */
export function memoryReply(
  asked: MemoryRequest,
  stored: EntryHead,
  { body, bodyBytes }: { readonly body: Buffer; readonly bodyBytes: number },
  now: Moment,
): MemoryReply {
  const age = Math.floor(ageMs(stored, now) / 1000);
  const ageField = field('age', String(age));
  const { date, status } = stored;
  if (isPlain(asked)) {
    const fields = joinFields(stored.fields, ageField);
    return { status, fields, date, bodyBytes: status === 204 ? -1 : bodyBytes, body };
  }
  const validators = validatorsOf(stored);
  if (status === 200 && isUnmodified(asked, validators, now.unixMs)) {
    const fields = joinFields(only(stored.fields, KEPT_IN_304), ageField);
    return { status: 304, fields, date, bodyBytes: -1, body: NO_BODY };
  }
  const fields = joinFields(stored.fields, ageField);
  const length = status === 204 ? -1 : bodyBytes;
  const whole = { status, fields, date, bodyBytes: length, body };
  const mayBeParts = asked.method === 'GET' && status === 200 && asked.range !== '';
  if (!mayBeParts || !isSameForRange(asked, validators, now.unixMs)) return whole;
  const ranges = askedRanges(asked.range, bodyBytes);
  if (ranges === 'whole') return whole;
  if (ranges === 'unsatisfiable') {
    const range = field('content-range', `bytes */${bodyBytes}`);
    const rest = joinFields(withoutFields(fields, OF_THE_BODY), range);
    return { status: 416, fields: rest, date, bodyBytes: 0, body: NO_BODY };
  }
  return partsOf(whole, ranges);
}

function isPlain({ range, ifNoneMatch, ifModifiedSince }: MemoryRequest): boolean {
  return range === '' && ifNoneMatch === '' && ifModifiedSince === '';
}

function partsOf(whole: MemoryReply, ranges: readonly [ByteRange, ...ByteRange[]]): MemoryReply {
  const { body, fields } = whole;
  const [first, another] = ranges;
  if (another === undefined) {
    const part = body.subarray(first[0], first[1] + 1);
    const range = field('content-range', contentRange(first, body.length));
    return {
      ...whole,
      status: 206,
      fields: joinFields(fields, range),
      bodyBytes: part.length,
      body: part,
    };
  }
  const boundary = boundaryFor(body);
  // RFC 9110 14.2: a server may pass over a Range.
  if (boundary === '') return whole;
  const parts = multipartBody(body, ranges, {
    contentType: listOf(fields, 'content-type'),
    boundary,
  });
  const type = field('content-type', `multipart/byteranges; boundary=${boundary}`);
  const rest = joinFields(withoutFields(fields, OF_THE_BODY), type);
  return { ...whole, status: 206, fields: rest, bodyBytes: parts.length, body: parts };
}

/** A text that the body does not hold; '': none was found. */
function boundaryFor(body: Buffer): string {
  for (let count = 0; count < BOUNDARIES_MAX; count++) {
    const boundary = `${BOUNDARY_START}-${count}`;
    if (!body.includes(`--${boundary}`)) return boundary;
  }
  return '';
}

function only(fields: FieldBlock, names: ReadonlySet<string>): FieldBlock {
  let kept = NO_FIELDS;
  for (const [name, value] of entriesOf(fields)) {
    if (names.has(name.toLowerCase())) kept = joinFields(kept, field(name, value));
  }
  return kept;
}
