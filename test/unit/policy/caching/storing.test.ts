/**
 * Which replies are stored, and for how long they are fresh: one case for each side of a rule, with
 * the section that says so.
 */
import { describe, expect, it } from 'vitest';
import type { Moment } from '../../../../src/base/clock.js';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import { parseCacheControl } from '../../../../src/policy/caching/cache-directives.js';
import { ageMs } from '../../../../src/policy/caching/freshness.js';
import {
  judgeReply,
  type Storable,
  type StoringRules,
} from '../../../../src/policy/caching/storing.js';

const NOW = Date.UTC(2026, 0, 10, 12, 0, 0);
/** The same on the monotonic clock. */
const CAME_MS = 5_000_000;
const DATE = 'Sat, 10 Jan 2026 12:00:00 GMT';
const IN_AN_HOUR = 'Sat, 10 Jan 2026 13:00:00 GMT';
const AN_HOUR_AGO = 'Sat, 10 Jan 2026 11:00:00 GMT';
const TEN_HOURS_AGO = 'Sat, 10 Jan 2026 02:00:00 GMT';

const RULES: StoringRules = {
  heuristicPercent: 0,
  entryBytesMax: 1000,
  dropsCookies: false,
  targeted: ['cdn-cache-control'],
  staleIfErrorMs: 0,
  staleWhileRevalidateMs: 0,
};

type Fields = readonly (readonly [name: string, value: string])[];

interface Said {
  readonly status?: number;
  readonly method?: string;
  readonly credentials?: boolean;
  readonly asked?: string;
  readonly request?: Readonly<Record<string, string>>;
  readonly rules?: Partial<StoringRules>;
  readonly bodyBytes?: number;
  readonly delayMs?: number;
}

function momentAt(ms: number): Moment {
  return { nowMs: CAME_MS + ms, unixMs: NOW + ms };
}

function blockOf(fields: Fields): FieldBlock {
  return fields.reduce((all, [name, value]) => joinFields(all, field(name, value)), NO_FIELDS);
}

function judge(fields: Fields, said: Said = {}): Storable | string {
  const { status = 200, method = 'GET', credentials = false, asked = '', request = {} } = said;
  return judgeReply(
    {
      method,
      hasCredentials: credentials,
      directives: parseCacheControl(asked),
      value: (name) => request[name] ?? '',
    },
    {
      status,
      fields: blockOf(fields),
      date: '',
      bodyBytes: said.bodyBytes ?? 10,
      requestMs: CAME_MS - (said.delayMs ?? 0),
      responseMs: CAME_MS,
      responseUnixMs: NOW,
    },
    { ...RULES, ...said.rules },
  );
}

function stored(fields: Fields, said?: Said): Storable {
  const judged = judge(fields, said);
  if (typeof judged === 'string') throw new Error(`not stored: ${judged}`);
  return judged;
}

const cc = (value: string): Fields => [['Cache-Control', value]];
const FRESH = cc('max-age=60');

/** [section, what, fields, circumstances, '' where it is stored or why it is not] */
const STORED: readonly (readonly [string, string, Fields, Said, string])[] = [
  ['9111 3', 'a lifetime of its own', FRESH, {}, ''],
  ['9111 3', 'nothing said', [], {}, 'no-freshness'],
  ['9111 3', 'HEAD', FRESH, { method: 'HEAD' }, 'method'],
  ['9111 3', 'POST with a lifetime', FRESH, { method: 'POST' }, 'method'],
  ['9111 3', 'an interim status', FRESH, { status: 103 }, 'status'],
  ['9111 3.3', 'a part', FRESH, { status: 206 }, 'status'],
  ['9111 4.3.4', '304', FRESH, { status: 304 }, 'status'],
  ['9111 3', '204 with a lifetime', FRESH, { status: 204 }, ''],
  ['9111 3', '301 with a lifetime', FRESH, { status: 301 }, ''],
  ['9111 3', '302 with a lifetime', FRESH, { status: 302 }, ''],
  ['9111 3', '404 with a lifetime', FRESH, { status: 404 }, ''],
  ['9111 3', '404 without', [], { status: 404 }, 'no-freshness'],
  ['9111 3', '500 with a lifetime', FRESH, { status: 500 }, ''],
  ['9111 3', '500 without', [['ETag', '"a"']], { status: 500 }, 'no-freshness'],
  ['9111 3', '503 without', [], { status: 503 }, 'no-freshness'],
  ['9111 3', 'an unknown status with a lifetime', FRESH, { status: 299 }, ''],
  ['9111 5.2.2.5', 'no-store', cc('no-store'), {}, 'no-store'],
  ['9111 5.2.2.5', 'no-store beside a lifetime', cc('max-age=60, no-store'), {}, 'no-store'],
  ['9111 5.2.2.5', 'NO-STORE', cc('NO-STORE, max-age=60'), {}, 'no-store'],
  ['9111 5.2.1.5', 'no-store of the request', FRESH, { asked: 'no-store' }, 'no-store'],
  ['9111 5.2.1.4', 'no-cache of the request', FRESH, { asked: 'no-cache' }, ''],
  ['9111 5.2.2.3', 'must-understand', cc('no-store, must-understand, max-age=60'), {}, ''],
  [
    '9111 5.2.2.3',
    'must-understand of an unknown status',
    cc('no-store, must-understand, max-age=60'),
    { status: 299 },
    'status',
  ],
  ['9111 5.2.2.7', 'private', cc('private, max-age=60'), {}, 'private'],
  ['9111 5.2.2.7', 'private fields', cc('private="x-user", max-age=60'), {}, ''],
  ['9111 5.2.2.7', 'private without names', cc('private="", max-age=60'), {}, 'private'],
  ['9111 3.5', 'credentials', FRESH, { credentials: true }, 'credentials'],
  ['9111 3.5', 'credentials, public', cc('public, max-age=60'), { credentials: true }, ''],
  ['9111 3.5', 'credentials, s-maxage', cc('s-maxage=60'), { credentials: true }, ''],
  [
    '9111 3.5',
    'credentials, must-revalidate',
    cc('must-revalidate, max-age=60'),
    { credentials: true },
    '',
  ],
  [
    '9111 3.5',
    'credentials, proxy-revalidate',
    cc('proxy-revalidate, max-age=60'),
    { credentials: true },
    'credentials',
  ],
  ['9111 7.3', 'a cookie', [...FRESH, ['Set-Cookie', 'a=b']], {}, 'set-cookie'],
  ['9111 7.3', 'an empty cookie', [...FRESH, ['Set-Cookie', '']], {}, ''],
  [
    '9111 7.3',
    'a cookie that is dropped',
    [...FRESH, ['Set-Cookie', 'a=b']],
    { rules: { dropsCookies: true } },
    '',
  ],
  ['9111 4.1', 'Vary by a field', [...FRESH, ['Vary', 'Accept']], {}, ''],
  ['9111 4.1', 'Vary by everything', [...FRESH, ['Vary', '*']], {}, 'vary'],
  ['9111 4.1', 'Vary by a field and everything', [...FRESH, ['Vary', 'a, *']], {}, 'vary'],
  ['9111 4.1', 'everything on a second line', [...FRESH, ['Vary', ''], ['Vary', '*']], {}, 'vary'],
  ['9111 4.2.2', 'no-cache with a validator', [...cc('no-cache'), ['ETag', '"a"']], {}, ''],
  ['9111 4.2.2', 'no-cache without', cc('no-cache, max-age=60'), {}, 'no-freshness'],
  ['9111 4.3', 'a validator alone', [['ETag', '"a"']], {}, ''],
  ['9111 4.3', 'max-age=0 with a validator', [...cc('max-age=0'), ['ETag', '"a"']], {}, ''],
  ['9111 4.3', 'max-age=0 alone', cc('max-age=0'), {}, 'no-freshness'],
  ['9111 4.2.1', 'a lifetime that cannot be read', cc('max-age=x'), {}, 'no-freshness'],
  ['9111 3', 'as long as allowed', FRESH, { bodyBytes: 1000 }, ''],
  ['9111 3', 'longer', FRESH, { bodyBytes: 1001 }, 'too-large'],
  ['9111 3', 'of unknown length', FRESH, { bodyBytes: -1 }, ''],
  [
    '9213 2.2',
    'no-store for caches of this kind',
    [...FRESH, ['CDN-Cache-Control', 'no-store']],
    {},
    'no-store',
  ],
  [
    '9213 2.2',
    'no-store for others only',
    [...cc('no-store'), ['CDN-Cache-Control', 'max-age=60']],
    {},
    '',
  ],
  [
    '9213 2.2',
    'a targeted field of other caches',
    [...FRESH, ['CDN-Cache-Control', 'no-store']],
    { rules: { targeted: [] } },
    '',
  ],
  ['9213 2.2', 'private for this kind', [['CDN-Cache-Control', 'private']], {}, 'private'],
  [
    '9213 2.2',
    'private fields for this kind',
    [['CDN-Cache-Control', 'private="x-user", max-age=60']],
    {},
    '',
  ],
];

describe('a reply', () => {
  it.each(STORED)('%s: %s', (_section, _what, fields, said, expected) => {
    const judged = judge(fields, said);
    expect(typeof judged === 'string' ? judged : '').toBe(expected);
  });
});

/** [section, what, fields, circumstances, seconds of freshness] */
const LIFETIMES: readonly (readonly [string, string, Fields, Said, number])[] = [
  ['9111 4.2.1', 'max-age', cc('max-age=60'), {}, 60],
  ['9111 4.2.1', 's-maxage before max-age', cc('max-age=60, s-maxage=9'), {}, 9],
  ['9111 4.2.1', 's-maxage in any order', cc('s-maxage=9, max-age=60'), {}, 9],
  ['9111 4.2.1', 's-maxage on another line', [...cc('max-age=60'), ...cc('s-maxage=9')], {}, 9],
  ['9111 4.2.1', 'max-age before Expires', [...FRESH, ['Expires', IN_AN_HOUR]], {}, 60],
  ['9111 4.2.1', 'the shorter of two', cc('max-age=60, max-age=30'), {}, 30],
  ['9111 5.2.2.1', 'a quoted value', cc('max-age="60"'), {}, 60],
  ['9111 5.2.2.1', 'zeros in front', cc('max-age=0060'), {}, 60],
  ['9111 1.2.2', 'more than an integer holds', cc('max-age=99999999999'), {}, 2 ** 31],
  ['9111 5.2.2.1', 'a name in capitals', cc('MAX-AGE=60'), {}, 60],
  ['9111 5.2.3', 'an unknown directive beside it', cc('a="max-age=1", max-age=60'), {}, 60],
  [
    '9111 5.3',
    'Expires',
    [
      ['Date', DATE],
      ['Expires', IN_AN_HOUR],
    ],
    {},
    3600,
  ],
  ['9111 5.3', 'Expires without Date', [['Expires', IN_AN_HOUR]], {}, 3600],
  [
    '9111 5.3',
    'Expires by the clock of the origin',
    [
      ['Date', AN_HOUR_AGO],
      ['Expires', IN_AN_HOUR],
    ],
    {},
    7200,
  ],
  [
    '9111 5.3',
    'Expires of 0',
    [
      ['Expires', '0'],
      ['ETag', '"a"'],
    ],
    {},
    0,
  ],
  [
    '9111 5.3',
    'Expires in the past',
    [
      ['Expires', AN_HOUR_AGO],
      ['ETag', '"a"'],
    ],
    {},
    0,
  ],
  [
    '9111 5.3',
    'Expires twice',
    [
      ['Expires', IN_AN_HOUR],
      ['Expires', IN_AN_HOUR],
      ['ETag', '"a"'],
    ],
    {},
    0,
  ],
  [
    '9111 4.2.2',
    'a guess',
    [
      ['Date', DATE],
      ['Last-Modified', TEN_HOURS_AGO],
    ],
    { rules: { heuristicPercent: 10 } },
    3600,
  ],
  [
    '9111 4.2.2',
    'no guess',
    [
      ['Date', DATE],
      ['Last-Modified', TEN_HOURS_AGO],
    ],
    {},
    0,
  ],
  [
    '9111 4.2.2',
    'a guess for public',
    [...cc('public'), ['Date', DATE], ['Last-Modified', TEN_HOURS_AGO]],
    { status: 200, rules: { heuristicPercent: 10 } },
    3600,
  ],
  [
    '9111 4.2.2',
    'a guess is no longer than a day',
    [
      ['Date', DATE],
      ['Last-Modified', 'Sat, 10 Jan 2015 12:00:00 GMT'],
    ],
    { rules: { heuristicPercent: 100 } },
    86_400,
  ],
  ['9213 2.2', 'a targeted lifetime', [...FRESH, ['CDN-Cache-Control', 'max-age=9']], {}, 9],
  ['9213 2.1', 'one that is no dictionary', [...FRESH, ['CDN-Cache-Control', 'max-age=']], {}, 60],
  [
    '9213 2.1',
    'one of a wrong type',
    [
      ['CDN-Cache-Control', 'max-age="60", public'],
      ['ETag', '"a"'],
    ],
    {},
    0,
  ],
  [
    '9213 2.1',
    'Expires beside a targeted field',
    [
      ['CDN-Cache-Control', 'max-age=9'],
      ['Expires', IN_AN_HOUR],
    ],
    {},
    9,
  ],
];

describe('freshness', () => {
  it.each(LIFETIMES)('%s: %s', (_section, _what, fields, said, seconds) => {
    expect(stored(fields, said).freshMs).toBe(seconds * 1000);
  });
});

/** [section, what, fields, ms from request to reply, age in seconds] */
const AGES: readonly (readonly [string, string, Fields, number, number])[] = [
  ['9111 4.2.3', 'nothing says it', [], 0, 0],
  ['9111 4.2.3', 'by Age', [['Age', '100']], 0, 100],
  ['9111 4.2.3', 'by Date', [['Date', AN_HOUR_AGO]], 0, 3600],
  [
    '9111 4.2.3',
    'the older of both',
    [
      ['Date', AN_HOUR_AGO],
      ['Age', '100'],
    ],
    0,
    3600,
  ],
  ['9111 4.2.3', 'the delay counts', [['Age', '100']], 5000, 105],
  ['9111 4.2.3', 'Date in the future', [['Date', IN_AN_HOUR]], 0, 0],
  ['9111 5.1', 'Age that is no number', [['Age', 'abc']], 0, 0],
  ['9111 5.1', 'negative Age', [['Age', '-7200']], 0, 0],
  ['9111 5.1', 'Age with a fraction', [['Age', '7200.0']], 0, 0],
  ['9111 5.1', 'the first of a list', [['Age', '7200, 0']], 0, 7200],
  [
    '9111 5.1',
    'the first of several lines',
    [
      ['Age', '0'],
      ['Age', '7200'],
    ],
    0,
    0,
  ],
  ['9111 1.2.2', 'Age above an integer', [['Age', '99999999999']], 0, 2 ** 31],
  ['9111 4.2.3', 'a reply before its request', [['Age', '1']], -5000, 1],
];

describe('age', () => {
  it.each(AGES)('%s: %s', (_section, _what, fields, delayMs, seconds) => {
    const birth = stored([...cc('max-age=60'), ...fields], { delayMs });
    expect(ageMs(birth, momentAt(0))).toBe(seconds * 1000);
  });

  it('9111 4.2.3: is never negative, and never above its bound, whatever the clock does', () => {
    const birth = stored(FRESH);
    expect(ageMs(birth, momentAt(-1_000_000))).toBe(0);
    expect(ageMs(birth, momentAt(Number.MAX_SAFE_INTEGER))).toBe(2 ** 31 * 1000);
  });

  it('grows while the wall clock is set back, and while the other one stands still', () => {
    const birth = stored([...FRESH, ['Age', '7']]);
    expect(ageMs(birth, { nowMs: CAME_MS + 20_000, unixMs: NOW - 3_600_000 })).toBe(27_000);
    expect(ageMs(birth, { nowMs: CAME_MS, unixMs: NOW + 20_000 })).toBe(27_000);
  });
});

/** [section, what, fields, of the route in s, stale-while-revalidate, stale-if-error] */
const STALE: readonly (readonly [string, string, Fields, number, number, number])[] = [
  ['5861 3', 'while it is validated', cc('max-age=1, stale-while-revalidate=30'), 0, 30, 0],
  ['5861 4', 'if there is an error', cc('max-age=1, stale-if-error=30'), 0, 0, 30],
  ['5861 4', 'the reply before the route', cc('max-age=1, stale-if-error=30'), 99, 0, 30],
  ['5861 4', 'the route where the reply is silent', cc('max-age=1'), 99, 0, 99],
  ['9111 5.2.2.2', 'must-revalidate', cc('max-age=1, must-revalidate'), 99, 0, 0],
  ['9111 5.2.2.8', 'proxy-revalidate', cc('max-age=1, proxy-revalidate'), 99, 0, 0],
  ['9111 5.2.2.10', 's-maxage', cc('s-maxage=1, stale-if-error=30'), 0, 0, 0],
  ['9111 5.2.2.10', 's-maxage', cc('s-maxage=1, stale-while-revalidate=30'), 0, 0, 0],
];

describe('use of stale replies', () => {
  it.each(STALE)('%s: %s', (_section, _what, fields, routeS, whileS, errorS) => {
    const { whileRevalidateMs, ifErrorMs } = stored(fields, {
      rules: { staleIfErrorMs: routeS * 1000 },
    });
    expect([whileRevalidateMs / 1000, ifErrorMs / 1000]).toEqual([whileS, errorS]);
  });
});

/** [what, fields, stale-while-revalidate, stale-if-error] where the route has 99 s for either. */
const OF_ROUTE: readonly (readonly [string, Fields, number, number])[] = [
  ['s-maxage', cc('s-maxage=1'), 99, 99],
  [
    's-maxage and its own times',
    cc('s-maxage=1, stale-while-revalidate=30, stale-if-error=7'),
    30,
    7,
  ],
  ['s-maxage and 0', cc('s-maxage=1, stale-while-revalidate=0, stale-if-error=0'), 0, 0],
  ['s-maxage, proxy-revalidate', cc('s-maxage=1, proxy-revalidate'), 0, 0],
  ['s-maxage, must-revalidate', cc('s-maxage=1, must-revalidate'), 0, 0],
  ['s-maxage, no-cache', [...cc('s-maxage=1, no-cache'), ['ETag', '"a"']], 0, 0],
];

describe('use of stale replies that the route allows', () => {
  it.each(OF_ROUTE)('%s', (_what, fields, whileS, errorS) => {
    const rules = { staleIfErrorMs: 99_000, staleWhileRevalidateMs: 99_000 };
    const { whileRevalidateMs, ifErrorMs } = stored(fields, { rules });
    expect([whileRevalidateMs / 1000, ifErrorMs / 1000]).toEqual([whileS, errorS]);
  });
});

/** [section, what, fields, names that are not stored] */
const DROPPED: readonly (readonly [string, string, Fields, readonly string[]])[] = [
  ['9111 3.1', 'of the hop', [['Proxy-Authenticate', 'Basic']], ['Proxy-Authenticate']],
  ['9111 3.1', 'of the connection', [['Keep-Alive', 'timeout=5']], ['Keep-Alive']],
  ['9111 5.2.2.4', 'no-cache fields', [['X-Once', '1'], ...cc('no-cache="x-once"')], ['X-Once']],
  ['9111 5.2.2.7', 'private fields', [['X-User', '1'], ...cc('private="x-user"')], ['X-User']],
  ['9111 5.1', 'Age', [['Age', '5']], ['Age']],
  ['9211 2', 'Cache-Status of others', [['Cache-Status', 'a; hit']], ['Cache-Status']],
];

describe('a field that is not stored', () => {
  it.each(DROPPED)('%s: %s', (_section, _what, fields, names) => {
    const all: Fields = [...cc('max-age=60'), ['X-Kept', '1'], ...fields];
    const kept = stored(all).fields;
    for (const name of names) expect(kept).not.toContain(name);
    expect(kept).toContain('X-Kept: 1');
  });
});

/** [section, what, fields of the reply, fields of the request, variant] */
const VARIANTS: readonly (readonly [string, string, Fields, Record<string, string>, string])[] = [
  ['9111 4.1', 'by nothing', [], { accept: 'a' }, ''],
  ['9111 4.1', 'by a field', [['Vary', 'Accept']], { accept: 'a' }, 'accept:a'],
  ['9111 4.1', 'by a field that is not sent', [['Vary', 'Accept']], {}, 'accept:'],
  ['9111 4.1', 'blanks say nothing', [['Vary', 'Accept']], { accept: 'a ,  b' }, 'accept:a,b'],
  ['9111 4.1', 'in any order', [['Vary', 'B, A']], { a: '1', b: '2' }, 'a:1\nb:2'],
  [
    '9111 4.1',
    'named twice',
    [
      ['Vary', 'A, a'],
      ['Vary', 'A'],
    ],
    { a: '1' },
    'a:1',
  ],
  [
    '9110 12.5.3',
    'a coding that Vary forgets',
    [['Content-Encoding', 'gzip']],
    { 'accept-encoding': 'gzip' },
    'accept-encoding:gzip',
  ],
  [
    'Fetch 3.2.5',
    'an origin that Vary forgets',
    [['Access-Control-Allow-Origin', 'https://a']],
    { origin: 'https://a' },
    'origin:https://a',
  ],
  ['Fetch 3.2.5', 'all origins', [['Access-Control-Allow-Origin', '*']], { origin: 'b' }, ''],
];

describe('a variant', () => {
  it.each(VARIANTS)('%s: %s', (_section, _what, fields, request, variant) => {
    expect(stored([...FRESH, ...fields], { request }).variant).toBe(variant);
  });
});
