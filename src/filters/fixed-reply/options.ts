/**
 * Options of replies that need no upstream: `respond` and `redirect` of a route.
 *
 * Thread: any (pure).
 */
import { pointerOf } from '../../base/json-pointer.js';
import { RESERVED_IN_REPLIES } from '../../base/reserved-fields.js';
import type { SoundPart } from '../../schema/finding.js';
import {
  booleanNode,
  integerNode,
  mapNode,
  objectNode,
  refined,
  stringNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import { HEADER_NAME_TEXT, HEADER_VALUE_TEXT, textShape } from '../../schema/text-shapes.js';
import { checkTemplate, type TemplateContext } from '../check-template.js';

const DEFAULTS = {
  respond: { status: 200, contentType: 'text/plain; charset=utf-8' },
  redirect: { status: 308, keepQuery: true },
} as const;

const TEXT_TYPE_TEXT = textShape(
  '^[a-z0-9]+/[a-z0-9.+-]+( *; *[a-z]+=[A-Za-z0-9._-]+)?$',
  'a media type (written text/plain; charset=utf-8)',
);

export const RESPOND_NODE = objectNode(
  'RespondConfig',
  'A reply that the gateway gives itself, in place of an upstream.',
  {
    status: integerNode('Status of the reply.', [200, 599], { default: DEFAULTS.respond.status }),
    body: stringNode('Body of the reply. Values of the request may stand in it.', {
      maxLength: 65_536,
    }),
    contentType: stringNode('Content-Type of the body.', {
      default: DEFAULTS.respond.contentType,
      ...TEXT_TYPE_TEXT,
    }),
    headers: mapNode(
      'Further fields. Values of the request may stand in them.',
      refined(textNode(HEADER_VALUE_TEXT), { maxLength: 4096, writeOnly: true }),
      { propertyNames: textNode(HEADER_NAME_TEXT), maxProperties: 64 },
    ),
  },
);

export const REDIRECT_NODE = objectNode(
  'RedirectConfig',
  'Where clients are sent, in place of an upstream.',
  {
    to: stringNode(
      'A path, or a whole URL with its host written out. Values of the request may stand in the ' +
        'path and the query: `https://new.example/users/${params.id}`.',
      { minLength: 1, maxLength: 2048 },
    ),
    status: integerNode(
      '301, 302, 303, 307 or 308. The default keeps the method of the request.',
      [301, 308],
      { default: DEFAULTS.redirect.status },
    ),
    keepQuery: booleanNode(
      'Whether the query of the request is added.',
      DEFAULTS.redirect.keepQuery,
    ),
  },
  'to',
);

type RespondConfig = TypeOf<typeof RESPOND_NODE>;
type RedirectConfig = TypeOf<typeof REDIRECT_NODE>;

/** One of both, as the worker takes it. */
export interface CompiledFixedReply {
  readonly status: number;
  /** Empty: none. */
  readonly body: string;
  readonly contentType: string;
  /** Lower-case names, templates. */
  readonly headers: readonly (readonly [string, string])[];
  /** Empty: no redirect. */
  readonly location: string;
  readonly keepQuery: boolean;
}

const REDIRECT_STATUSES = [301, 302, 303, 307, 308];
/** A path, or a URL whose host the configuration has chosen. */
const REDIRECT_TARGET = /^(?:https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?=\/|$)|\/(?!\/))/;

/** Checks `respond` and `redirect` of the route at `pointer`. */
export function checkFixedReply(
  {
    respond = {},
    redirect = {},
  }: {
    respond?: SoundPart<RespondConfig> | undefined;
    redirect?: SoundPart<RedirectConfig> | undefined;
  },
  pointer: string,
  context: TemplateContext,
): void {
  const { findings } = context;
  checkTemplate(respond.body, `${pointer}/respond/body`, context);
  for (const [name, text] of Object.entries(respond.headers ?? {})) {
    const at = pointer + pointerOf('respond', 'headers', name);
    const lower = name.toLowerCase();
    // With another length, or none, one reply could be read as two.
    if (RESERVED_IN_REPLIES.has(lower)) {
      findings.addKey(at, `the gateway itself is in charge of the field ${lower}`);
    }
    checkTemplate(text, at, context);
  }
  const { to, status } = redirect;
  checkTemplate(to, `${pointer}/redirect/to`, context);
  if (status !== undefined && !REDIRECT_STATUSES.includes(status)) {
    findings.addValue(
      `${pointer}/redirect/status`,
      `must be one of ${REDIRECT_STATUSES.join(', ')}`,
    );
  }
  if (to !== undefined && (!REDIRECT_TARGET.test(to) || /[^!-~]/.test(to))) {
    const expected = 'must be a path, or a URL whose host is written out';
    findings.addValue(`${pointer}/redirect/to`, expected);
  }
}

export function compileRespond(config: RespondConfig): CompiledFixedReply {
  return {
    status: config.status ?? DEFAULTS.respond.status,
    body: config.body ?? '',
    contentType: config.contentType ?? DEFAULTS.respond.contentType,
    headers: Object.entries(config.headers ?? {}).map(([name, text]) => [name.toLowerCase(), text]),
    location: '',
    keepQuery: false,
  };
}

export function compileRedirect(config: RedirectConfig): CompiledFixedReply {
  return {
    status: config.status ?? DEFAULTS.redirect.status,
    body: '',
    contentType: '',
    headers: [],
    location: config.to,
    keepQuery: config.keepQuery ?? DEFAULTS.redirect.keepQuery,
  };
}
