/**
 * Options of API versions: how requests name one, and when a route is no longer to be used.
 *
 * Thread: any (pure).
 */
import { defined } from '../../base/assert.js';
import type { SoundPart } from '../../schema/finding.js';
import { objectNode, stringNode, type TypeOf } from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, LINK_TEXT, textShape, VERSION_TEXT } from '../../schema/text-shapes.js';
import { type CheckPlace, filterOptions } from '../filter-options.js';

const HEADER_BY_DEFAULT = 'X-API-Version';

const VERSIONING_NODE = objectNode(
  'VersioningConfig',
  'How requests say which version of the API they mean, for routes with `match.version`.',
  {
    by: stringNode(
      '`path`: `/v1/users` is version 1 of `/users`, and the target gets `/users`. `header`: the ' +
        'value of a field. `mediaType`: `application/vnd.acme.v1+json` or ' +
        '`application/json;version=1` in Accept.',
      { enum: ['path', 'header', 'mediaType'] },
    ),
    header: stringNode('Name of the field, with `by: header`.', {
      default: HEADER_BY_DEFAULT,
      ...HEADER_NAME_TEXT,
    }),
    default: stringNode('Version of a request that names none.', {
      'x-absent': 'none, and such requests are refused with 400',
      ...VERSION_TEXT,
    }),
  },
  'by',
);

type VersioningConfig = TypeOf<typeof VERSIONING_NODE>;

/** Of the whole gateway. */
export interface CompiledVersioning {
  readonly by: VersioningConfig['by'];
  /** Lower case. */
  readonly header: string;
  /** Empty: none. */
  readonly default: string;
}

/** Of a route with a version. */
export interface CompiledVersion {
  /** The field of requests by which the version is told. */
  readonly varyField: string;
}

export const VERSIONING = filterOptions({
  name: 'version',
  route: {},
  gateway: { versioning: VERSIONING_NODE },
  places: ['replyHead'],
  compile: ({ versioning }, { version }) => {
    if (versioning === undefined || version === '') return null;
    const { by, header } = compileVersioning(versioning);
    return { varyField: by === 'mediaType' ? 'Accept' : header };
  },
});

/** Fills in the defaults. */
export function compileVersioning(config: VersioningConfig): CompiledVersioning {
  const { by, header = HEADER_BY_DEFAULT } = config;
  return { by, header: header.toLowerCase(), default: config.default ?? '' };
}

const DATE_TEXT = textShape(
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{5,8}(Z|[+-][0-9:]{5})?)?$',
  'a date (written 2026-06-30 or 2026-06-30T12:00:00Z)',
);

const DEPRECATION_NODE = objectNode(
  'DeprecationConfig',
  'When a route is no longer what clients should use. Dates are ISO 8601, in UTC unless they say ' +
    'otherwise.',
  {
    since: stringNode(
      'Since when: the `Deprecation` field (RFC 9745). It may lie ahead.',
      DATE_TEXT,
    ),
    sunset: stringNode(
      'When it ends: the `Sunset` field (RFC 8594). From then on requests get 410.',
      DATE_TEXT,
    ),
    link: stringNode('A page about it, as a `Link`.', LINK_TEXT),
  },
);

type DeprecationConfig = TypeOf<typeof DEPRECATION_NODE>;

export interface CompiledDeprecation {
  /** Seconds since 1970; -1: not said. */
  readonly sinceSeconds: number;
  /** Milliseconds since 1970; -1: not said. */
  readonly sunsetMs: number;
  /** Empty: none. */
  readonly link: string;
}

export const DEPRECATION = filterOptions({
  name: 'deprecation',
  route: { deprecation: DEPRECATION_NODE },
  gateway: {},
  places: ['enter', 'replyHead'],
  check: ({ deprecation = {} }, place) => checkDeprecation(deprecation, place),
  compile: ({ deprecation }) => (deprecation === undefined ? null : compileDates(deprecation)),
});

function checkDeprecation(
  { since, sunset, link }: SoundPart<DeprecationConfig>,
  { pointer, findings }: CheckPlace,
): void {
  const at = `${pointer}/deprecation`;
  for (const [key, date] of Object.entries({ since, sunset })) {
    if (date === undefined || parseDate(date) !== undefined) continue;
    findings.addValue(`${at}/${key}`, `there is no such date`);
  }
  if (link !== undefined && since === undefined && sunset === undefined) {
    findings.addKey(`${at}/link`, 'needs since or sunset beside it');
  }
  const [sinceMs, sunsetMs] = [parseDate(since ?? ''), parseDate(sunset ?? '')];
  if (sinceMs !== undefined && sunsetMs !== undefined && sunsetMs < sinceMs) {
    findings.addValue(`${at}/sunset`, 'must not be before since (RFC 9745)');
  }
}

function compileDates({ since, sunset, link = '' }: DeprecationConfig): CompiledDeprecation {
  const sinceMs = dateMs(since);
  return {
    sinceSeconds: sinceMs < 0 ? -1 : Math.floor(sinceMs / 1000),
    sunsetMs: dateMs(sunset),
    link,
  };
}

function dateMs(date: string | undefined): number {
  return date === undefined ? -1 : defined(parseDate(date), 'a checked date');
}

/** Milliseconds since 1970, or undefined when it is no date. */
function parseDate(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined;
  const isZoned = text.length === 10 || /(Z|[+-]\d\d:\d\d)$/.test(text);
  const ms = Date.parse(isZoned ? text : `${text}Z`);
  // The parser takes the 31st of February for the 3rd of March.
  if (Number.isNaN(ms) || new Date(Date.parse(text.slice(0, 10))).getUTCDate() !== dayOf(text)) {
    return undefined;
  }
  return ms;
}

function dayOf(text: string): number {
  return Number(text.slice(8, 10));
}
