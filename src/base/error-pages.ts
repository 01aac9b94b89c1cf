/**
 * Bodies that the configuration has for refusals, in place of problem documents.
 *
 * Thread: any (pure). Used by the acceptor and by the workers. Values are escaped for the type of
 * the body, so that nothing of a request can become markup or end a string. Which body a client
 * gets is negotiated by Accept (RFC 9110 12.5.1); without a wish it is JSON, as ever.
 */
import { type FieldBlock, field, joinFields } from './field-block.js';
import type { ProblemKind } from './problems.js';
import { qualityValue } from './quality-value.js';

export type ErrorBodyType = 'json' | 'html' | 'text';

/** In the order of preference among types that a client likes alike. */
export const ERROR_BODY_TYPES: readonly ErrorBodyType[] = ['json', 'html', 'text'];

/** The bodies for some statuses: places in a list of texts, by type. */
export interface ErrorRule {
  /** `404`, `4xx`, `5xx` or `default`. */
  readonly status: string;
  readonly bodies: Readonly<Partial<Record<ErrorBodyType, number>>>;
}

export interface CompiledErrors {
  /** Those of all rules, of routes too. */
  readonly texts: readonly string[];
  /** For routes without a rule of their own for the status, and where there is no route. */
  readonly rules: readonly ErrorRule[];
}

export interface ErrorPage {
  readonly fields: FieldBlock;
  /** null: the problem document. */
  readonly body: string | null;
}

/** The refusal that a page is about. */
export interface Refused {
  readonly kind: Pick<ProblemKind, 'status' | 'code' | 'title'>;
  readonly detail: string;
  readonly requestId: string;
  /** The Accept field; '' where there is none. */
  readonly accept: string;
}

/** Names that may stand between `{{` and `}}`. */
export const ERROR_PLACEHOLDERS = ['status', 'code', 'title', 'detail', 'requestId'] as const;

type Placeholder = (typeof ERROR_PLACEHOLDERS)[number];

const PLACEHOLDER = /\{\{\s*([A-Za-z]*)\s*\}\}/;

const CONTENT_TYPES: Readonly<Record<ErrorBodyType, string>> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  text: 'text/plain; charset=utf-8',
};

/** Media types by which a client asks for each. */
const MEDIA_TYPES: Readonly<Record<ErrorBodyType, readonly string[]>> = {
  json: ['application/json', 'application/problem+json'],
  html: ['text/html', 'application/xhtml+xml'],
  text: ['text/plain'],
};

const VARY = field('Vary', 'Accept');
const ONLY_VARY: ErrorPage = { fields: VARY, body: null };

export class ErrorPages {
  /** Made of each text when it is first needed: literal parts and names in turn. */
  private readonly parsed: (readonly string[] | undefined)[] = [];

  /** `texts`: all bodies, by their places. `rules`: those that hold where a route has none. */
  constructor(
    private readonly texts: readonly string[],
    private readonly rules: readonly ErrorRule[],
  ) {}

  /** null: there is no body for this status. `ofRoute`: rules that come first. */
  pageFor(refused: Refused, ofRoute: readonly ErrorRule[] = []): ErrorPage | null {
    const { status } = refused.kind;
    const rule = ruleFor(ofRoute, status) ?? ruleFor(this.rules, status);
    if (rule === undefined) return null;
    const type = negotiate(refused.accept, rule);
    const place = type === null ? undefined : rule.bodies[type];
    if (type === null || place === undefined) return ONLY_VARY;
    const fields = joinFields(field('Content-Type', CONTENT_TYPES[type]), VARY);
    return { fields, body: this.render(place, type, refused) };
  }

  private render(place: number, type: ErrorBodyType, refused: Refused): string {
    this.parsed[place] ??= (this.texts[place] ?? '').split(PLACEHOLDER);
    let body = '';
    for (const [at, part] of (this.parsed[place] ?? []).entries()) {
      body += at % 2 === 0 ? part : escaped(valueFor(part as Placeholder, refused), type);
    }
    return body;
  }
}

/** What of a text stands between `{{` and `}}` and is no name; undefined: nothing. */
export function unknownPlaceholder(text: string): string | undefined {
  const names: readonly string[] = ERROR_PLACEHOLDERS;
  return text.split(PLACEHOLDER).find((part, at) => at % 2 === 1 && !names.includes(part));
}

/** The text with a value in each place, for a check of what is around them. */
export function filledIn(text: string): string {
  return text
    .split(PLACEHOLDER)
    .map((part, at) => (at % 2 === 0 ? part : part === 'status' ? '400' : 'x'))
    .join('');
}

function ruleFor(rules: readonly ErrorRule[], status: number): ErrorRule | undefined {
  const keys = [String(status), `${Math.floor(status / 100)}xx`, 'default'];
  for (const key of keys) {
    const rule = rules.find((one) => one.status === key);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function valueFor(name: Placeholder, { kind, detail, requestId }: Refused): string {
  switch (name) {
    case 'status':
      return String(kind.status);
    case 'code':
      return kind.code;
    case 'title':
      return kind.title;
    case 'detail':
      return detail;
    default:
      return requestId;
  }
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

function escaped(value: string, type: ErrorBodyType): string {
  if (type === 'html') return value.replaceAll(/[&<>"'`]/g, (char) => HTML_ESCAPES[char] ?? '');
  return type === 'json' ? JSON.stringify(value).slice(1, -1) : value;
}

/** The type that the client likes best of those there are; JSON is always there. null: none. */
function negotiate(accept: string, { bodies }: ErrorRule): ErrorBodyType | null {
  if (accept === '') return 'json';
  const ranges = rangesOf(accept);
  let best: ErrorBodyType | null = null;
  let most = 0;
  for (const type of ERROR_BODY_TYPES) {
    if (type !== 'json' && bodies[type] === undefined) continue;
    const quality = Math.max(...MEDIA_TYPES[type].map((name) => qualityOf(name, ranges)));
    if (quality <= most) continue;
    best = type;
    most = quality;
  }
  return best;
}

/** Quality by media range. Parameters other than `q` narrow a range to what we do not have. */
function rangesOf(accept: string): ReadonlyMap<string, number> {
  const ranges = new Map<string, number>();
  for (const item of accept.toLowerCase().split(',')) {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight === undefined ? 1 : qualityValue(weight);
    if (range !== '' && !Number.isNaN(quality)) ranges.set(range, quality);
  }
  return ranges;
}

/** The most exact range decides (RFC 9110 12.5.1). */
function qualityOf(name: string, ranges: ReadonlyMap<string, number>): number {
  const group = `${name.slice(0, name.indexOf('/'))}/*`;
  return ranges.get(name) ?? ranges.get(group) ?? ranges.get('*/*') ?? 0;
}
