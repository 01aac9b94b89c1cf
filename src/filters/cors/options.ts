/**
 * Options of CORS (the Fetch standard, section 3.2).
 *
 * Thread: any (pure).
 */
import { EVERY_METHOD, HTTP_METHODS } from '../../base/http-method.js';
import { durationMs } from '../../base/quantities.js';
import type { SoundPart } from '../../schema/finding.js';
import {
  booleanNode,
  durationNode,
  lengthNode,
  listNode,
  objectNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, METHOD_TEXT } from '../../schema/text-shapes.js';
import { type CheckPlace, filterOptions } from '../filter-options.js';

const DEFAULTS = { credentials: false, maxAge: '5m' } as const;

const CORS_NODE = objectNode(
  'CorsConfig',
  'Which pages of other origins may call from a browser. The gateway answers preflights itself. ' +
    'No page may, unless its origin is listed.',
  {
    origins: listNode(
      'Origins such as `https://app.example`, with `https://*.example` for every host below it. ' +
        'Apps have origins of their own schemes: `capacitor://localhost`, ' +
        '`chrome-extension://ID`. `null` is what sandboxed pages and local files send; `*` alone ' +
        'stands for all origins. Neither goes together with `credentials`.',
      lengthNode(1, 300),
      { minItems: 1, maxItems: 1000, uniqueItems: true },
    ),
    methods: listNode('Methods that may be used.', textNode(METHOD_TEXT), {
      'x-absent': 'those of the route',
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
    }),
    headers: listNode(
      'Header fields that may be sent, beside those that need no permission. `*` stands for ' +
        'every field; for `authorization` only with `credentials`, and without them it is named ' +
        'as well: `["*", authorization]`.',
      textNode(HEADER_NAME_TEXT),
      { maxItems: 100, uniqueItems: true },
    ),
    exposeHeaders: listNode(
      'Fields of replies that the page may read, beside those that need no permission. `*` ' +
        'stands for all fields of the reply.',
      textNode(HEADER_NAME_TEXT),
      { maxItems: 100, uniqueItems: true },
    ),
    credentials: booleanNode(
      'Whether cookies and credentials may be sent along.',
      DEFAULTS.credentials,
    ),
    maxAge: durationNode(
      'How long a browser may remember the answer to a preflight.',
      ['0s', '24h'],
      { default: DEFAULTS.maxAge },
    ),
  },
  'origins',
);

type CorsConfig = TypeOf<typeof CORS_NODE>;

/** Stands for all names in lists of fields. */
export const EVERY_FIELD = '*';

export interface CompiledCors {
  readonly origins: readonly string[];
  /** Upper case. */
  readonly methods: readonly string[];
  /** Lower case. */
  readonly headers: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
}

export const CORS = filterOptions({
  name: 'cors',
  route: { cors: CORS_NODE },
  gateway: { cors: CORS_NODE },
  places: ['enter', 'replyHead'],
  check: ({ cors = {} }, place) => checkCors(cors, place),
  compile: ({ cors }, { methods }) => {
    if (cors === undefined) return null;
    return compileCors(cors, namedMethods(methods));
  },
});

/** A star says nothing to a page that sends credentials: methods are named. */
function namedMethods(methods: readonly string[]): readonly string[] {
  const named = methods.filter((method) => method !== EVERY_METHOD);
  const isEach = methods.length === 0 || named.length < methods.length;
  return isEach ? [...new Set([...HTTP_METHODS, ...named])] : named;
}

function compileCors(config: CorsConfig, routeMethods: readonly string[]): CompiledCors {
  return {
    origins: [...config.origins],
    methods: [...(config.methods ?? routeMethods)],
    headers: (config.headers ?? []).map((name) => name.toLowerCase()),
    exposeHeaders: [...(config.exposeHeaders ?? [])],
    credentials: config.credentials ?? DEFAULTS.credentials,
    maxAgeSeconds: Math.floor(durationMs(config.maxAge ?? DEFAULTS.maxAge) / 1000),
  };
}

/** Checks origins, and that not everybody may send credentials along. */
function checkCors(
  { origins = [], credentials }: SoundPart<CorsConfig>,
  { pointer, findings }: CheckPlace,
): void {
  for (const [index, origin] of origins.entries()) {
    if (origin === undefined) continue;
    const at = `${pointer}/cors/origins/${index}`;
    const problem = originProblem(origin);
    if (problem !== undefined) findings.addValue(at, `${findings.quote(at, origin)} ${problem}`);
    if (origin === '*' && origins.length > 1) {
      findings.addValue(at, '"*" stands for all origins: it must stand alone');
    }
    if ((origin === '*' || origin === 'null') && credentials === true) {
      findings.addValue(at, `"${origin}" with credentials would let any page act for its visitor`);
    }
  }
}

const ORIGIN = /^https?:\/\/(\*\.)?[a-z0-9.-]+(:\d{1,5})?$|^https?:\/\/\[[0-9a-f:.]+\](:\d{1,5})?$/;
/** Of an app or an extension: the host of a scheme that is not of the web keeps its case. */
const APP_ORIGIN = /^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._~-]*(:\d{1,5})?$/;
const DEFAULT_PORT = /^http:.*:80$|^https:.*:443$/;

/** What is wrong with one entry of `origins`, if anything is. */
function originProblem(origin: string): string | undefined {
  if (origin === '*' || origin === 'null') return undefined;
  if (!ORIGIN.test(origin) && !APP_ORIGIN.test(origin)) {
    return (
      'must be an origin as browsers write it (https://app.example, capacitor://localhost: lower ' +
      'case, no path), "*" or "null"'
    );
  }
  return DEFAULT_PORT.test(origin)
    ? 'must not name the port that its scheme has anyway'
    : undefined;
}
