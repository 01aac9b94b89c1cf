/**
 * The rules of one HTTPRoute as routes: one for each match, and for each port it is attached to.
 *
 * Thread: any (pure). Which of them goes first is said by gateway-set.ts. Invariant: requests that
 * a rule is meant for, and that it cannot serve as it says, get 500. They never pass without its
 * filters.
 */
import type { MatchConfig, RewriteConfig, RouteConfig } from '../gateway-config.js';
import type { Finding } from './gateway-objects.js';
import type { BackendContext } from './http-route-backends.js';
import {
  filtersOf,
  type PathChange,
  type RouteRedirect,
  type RuleFilters,
} from './http-route-filters.js';
import { type Deed, forwardingOf, REFUSED } from './http-route-forward.js';
import { askedBy, matchesOf, type RouteMatch } from './http-route-matches.js';
import type { Attachment } from './http-route-parents.js';
import { escapedPath } from './ingress-paths.js';
import { shortHash } from './ingress-routes.js';
import { type KubeJson, listAt, recordAt, textAt } from './kube-json.js';
import type { NamedUpstream } from './service-upstream.js';

/** A route, but for its priority. */
export interface RuleDraft {
  readonly config: RouteConfig;
  readonly match: RouteMatch;
  /** '': every host. */
  readonly hosts: readonly string[];
  readonly upstreams: readonly NamedUpstream[];
}

export interface RuleDrafts {
  readonly drafts: readonly RuleDraft[];
  /** What of it is not supported; empty: nothing. */
  readonly problems: readonly string[];
  /** Of the first backend that is not there; null: all are. */
  readonly unresolved: Finding | null;
}

/** Where requests come in: listeners of the configuration that stand for one port. */
interface Entrance {
  readonly owns: readonly string[];
  readonly scheme: string;
  readonly port: number;
  readonly hosts: readonly string[];
}

/** One pattern of a match, and the path that requests have afterwards. */
interface PathVariant {
  readonly match: RouteMatch;
  /** '': as it came. A prefix is replaced by it, unless `isWhole`. */
  readonly text: string;
  readonly isWhole: boolean;
}

const NAME_CHARS_MAX = 50;
const HOSTS_MAX = 256;
const PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };
const KNOWN_FIELDS = ['name', 'matches', 'filters', 'backendRefs', 'timeouts'];

export function draftsOf(
  route: KubeJson,
  attachments: readonly Attachment[],
  context: BackendContext,
): readonly RuleDrafts[] {
  const rules = listAt(recordAt(route, 'spec'), 'rules');
  const maker = new RuleMaker(route, entrancesOf(attachments), context);
  return (rules.length === 0 ? [{}] : rules).map((rule) => maker.draftsOf(rule));
}

function entrancesOf(attachments: readonly Attachment[]): readonly Entrance[] {
  const byPort = new Map<string, Entrance>();
  for (const { listener, hosts } of attachments) {
    if (!listener.isProgrammed) continue;
    const { owns, port, protocol } = listener;
    const key = `${protocol} ${port}`;
    const known = byPort.get(key)?.hosts ?? [];
    const scheme = protocol === 'HTTPS' ? 'https' : 'http';
    byPort.set(key, { owns, port, scheme, hosts: [...new Set([...known, ...hosts])] });
  }
  return [...byPort.values()];
}

class RuleMaker {
  private readonly names = new Set<string>();
  private readonly namespace: string;
  private readonly uid: string;
  private readonly title: string;

  constructor(
    route: KubeJson,
    private readonly entrances: readonly Entrance[],
    private readonly context: BackendContext,
  ) {
    const metadata = recordAt(route, 'metadata');
    this.namespace = textAt(metadata, 'namespace');
    this.uid = textAt(metadata, 'uid');
    this.title = `${this.namespace}.${textAt(metadata, 'name')}`.slice(0, NAME_CHARS_MAX);
  }

  draftsOf(rule: KubeJson): RuleDrafts {
    const problems: string[] = [];
    const say = (problem: string): void => void problems.push(problem);
    const matches = matchesOf(rule, say);
    const other = Object.keys(rule).filter((field) => !KNOWN_FIELDS.includes(field));
    for (const field of other) say(`${field} is not supported`);
    const filters = filtersOf(rule, say);
    const { namespace, context } = this;
    const forwarding = forwardingOf(rule, filters, { namespace, context, say });
    const change = filters.redirect?.path ?? filters.path;
    if (change?.kind === 'prefix' && matches.some(({ prefix }) => prefix === null)) {
      say('ReplacePrefixMatch needs paths of the type PathPrefix');
    }
    if (this.entrances.some(({ hosts }) => hosts.length > HOSTS_MAX)) {
      say(`there are more than ${HOSTS_MAX} hosts`);
    }
    const isSound = problems.length === 0;
    const drafts = this.entrances.flatMap((entrance) =>
      matches.flatMap((match) => {
        if (!isSound) return [this.draft(entrance, match, REFUSED)];
        return variantsOf(match, change).map((variant) => {
          const deed = deedOf(variant, filters, { entrance, forwarded: forwarding.deed });
          return this.draft(entrance, variant.match, deed, forwarding.upstreams);
        });
      }),
    );
    return { drafts, problems: [...new Set(problems)], unresolved: forwarding.unresolved };
  }

  private draft(
    { owns, port, hosts }: Entrance,
    match: RouteMatch,
    deed: Deed,
    upstreams: readonly NamedUpstream[] = [],
  ): RuleDraft {
    const asked: MatchConfig = {
      ...askedBy(match),
      ...(!hosts.includes('') && { hosts: hosts.slice(0, HOSTS_MAX) }),
      listener: owns,
    };
    const name = this.nameOf([port, asked]);
    return { config: { name, match: asked, ...deed }, match, hosts, upstreams };
  }

  /** What a route asks for is its name: a rule more before it changes nothing. */
  private nameOf(parts: readonly unknown[]): string {
    let name = '';
    for (let nth = 0; name === '' || this.names.has(name); nth += 1) {
      name = `${this.title}.${shortHash(this.uid, nth, ...parts)}`;
    }
    this.names.add(name);
    return name;
  }
}

/** With a prefix that is replaced, the path that is just this prefix is a place of its own. */
function variantsOf(match: RouteMatch, change: PathChange | null): readonly PathVariant[] {
  const { prefix } = match;
  if (change === null) return [{ match, text: '', isWhole: false }];
  const { kind, text } = change;
  if (kind === 'full' || prefix === null) return [{ match, text, isWhole: true }];
  const alone = { ...match, pattern: escapedPath(prefix === '' ? '/' : prefix) };
  return [
    { match: alone, text: text === '' ? '/' : text, isWhole: true },
    { match, text, isWhole: false },
  ];
}

function deedOf(
  variant: PathVariant,
  filters: RuleFilters,
  { entrance, forwarded }: { readonly entrance: Entrance; readonly forwarded: Deed },
): Deed {
  const { redirect, path, requestFields, replyFields } = filters;
  if (redirect !== null) return redirectOf(variant, redirect, { entrance, filters });
  if (forwarded === REFUSED) return forwarded;
  const rewrite: RewriteConfig = {
    ...(path !== null && rewriteOf(variant)),
    ...(requestFields !== null && { headers: requestFields }),
  };
  return {
    ...forwarded,
    ...(Object.keys(rewrite).length > 0 && { rewrite }),
    ...(replyFields !== null && { rewriteReply: { headers: replyFields } }),
  };
}

function rewriteOf({ match, text, isWhole }: PathVariant): RewriteConfig {
  if (isWhole) return { path: text };
  const { prefix } = match;
  return {
    ...(prefix !== null && prefix !== '' && { stripPrefix: prefix }),
    ...(text !== '' && { addPrefix: text }),
  };
}

function redirectOf(
  { text, isWhole }: PathVariant,
  { scheme, hostname, port, path, status }: RouteRedirect,
  { entrance, filters }: { readonly entrance: Entrance; readonly filters: RuleFilters },
): Deed {
  const to = scheme === '' ? entrance.scheme : scheme;
  const usual = PORTS[to] ?? 0;
  const there = port !== 0 ? port : scheme === '' ? entrance.port : usual;
  const host = hostname === '' ? '${request.hostname}' : hostname;
  const authority = there === usual ? host : `${host}:${there}`;
  const rest = path === null ? '${request.path}' : isWhole ? text : `${text}/\${params.*}`;
  const location = `${to}://${authority}${rest}\${request.query}`;
  const { set = {}, add = {} } = filters.replyFields ?? {};
  return { respond: { status, headers: { ...set, ...add, location } } };
}
