/**
 * Where the requests of a rule of an HTTPRoute go: its backends by weight, copies, timeouts.
 *
 * Thread: any (pure). Backends that are not there keep their part of the requests, which get 500.
 */
import type { RouteConfig } from '../gateway-config.js';
import type { Finding } from './gateway-objects.js';
import { type BackendContext, backendOf } from './http-route-backends.js';
import type { RuleFilters } from './http-route-filters.js';
import { type KubeJson, listAt, recordAt, textAt } from './kube-json.js';
import type { NamedUpstream } from './service-upstream.js';

/** What a rule does with its requests. */
export type Deed = Omit<RouteConfig, 'name' | 'match'>;

export interface Forwarding {
  readonly deed: Deed;
  readonly upstreams: readonly NamedUpstream[];
  /** Of the first backend that is not there; null: all are. */
  readonly unresolved: Finding | null;
}

export const REFUSED: Deed = { respond: { status: 500 } };

/** Largest weight of an upstream; those of an HTTPRoute may be a thousand times as large. */
const WEIGHT_MAX = 1000;
/** GEP-2257. */
const DURATION = /^(?:\d{1,5}(?:h|ms|m|s)){1,4}$/;
const DURATION_PART = /(\d+)(h|ms|m|s)/g;
const MS_OF: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** What is not supported goes to `say`. */
export function forwardingOf(
  rule: KubeJson,
  filters: RuleFilters,
  { namespace, context, say }: ForwardParts,
): Forwarding {
  const timeouts = recordAt(rule, 'timeouts');
  const timeoutMs = durationOf(timeouts, 'request', say);
  const of = { namespace, timeoutMs: durationOf(timeouts, 'backendRequest', say) };
  const shares = new Shares();
  for (const ref of listAt(rule, 'backendRefs')) {
    if (listAt(ref, 'filters').length > 0) say('filters of backendRefs are not supported');
    const { weight } = ref;
    shares.add(backendOf(ref, of, context), typeof weight === 'number' ? weight : 1);
  }
  const { mirror } = filters;
  const copies = mirror === null ? null : backendOf(mirror.backend, of, context);
  const answer = shares.answer();
  const isCopied = copies !== null && 'config' in copies && answer !== REFUSED;
  return {
    deed: {
      ...answer,
      ...(answer !== REFUSED && timeoutMs > 0 && { timeout: `${timeoutMs}ms` }),
      ...(isCopied && { mirror: { upstream: copies.name, percent: mirror?.percent ?? 100 } }),
    },
    upstreams: isCopied ? [...shares.upstreams, copies] : shares.upstreams,
    unresolved: shares.unresolved ?? (copies !== null && 'reason' in copies ? copies : null),
  };
}

export interface ForwardParts {
  readonly namespace: string;
  readonly context: BackendContext;
  say(problem: string): void;
}

/** Who gets which part of the requests. */
class Shares {
  private readonly weights = new Map<string, number>();
  private readonly known = new Map<string, NamedUpstream>();
  private lost = 0;
  unresolved: Finding | null = null;

  add(backend: NamedUpstream | Finding, weight: number): void {
    if ('reason' in backend) {
      this.unresolved ??= backend;
      this.lost += weight;
      return;
    }
    if (weight === 0) return;
    this.known.set(backend.name, backend);
    this.weights.set(backend.name, (this.weights.get(backend.name) ?? 0) + weight);
  }

  get upstreams(): readonly NamedUpstream[] {
    return [...this.known.values()];
  }

  answer(): Deed {
    const [first, ...others] = this.known.keys();
    if (first === undefined) return REFUSED;
    if (others.length === 0 && this.lost === 0) return { upstream: first };
    const factor = Math.min(1, WEIGHT_MAX / Math.max(this.lost, ...this.weights.values()));
    const scaled = (weight: number): number => Math.max(1, Math.round(weight * factor));
    return {
      upstreams: [...this.weights].map(([name, weight]) => ({ name, weight: scaled(weight) })),
      split: {
        key: 'request',
        ...(this.lost > 0 && { refuse: { weight: scaled(this.lost) } }),
      },
    };
  }
}

/** In milliseconds; 0: no limit. */
function durationOf(timeouts: KubeJson, field: string, say: (problem: string) => void): number {
  const text = textAt(timeouts, field);
  if (text === '') return 0;
  if (!DURATION.test(text)) say(`timeouts.${field}: ${JSON.stringify(text)} is no duration`);
  let sum = 0;
  for (const [, count, unit = ''] of text.matchAll(DURATION_PART)) {
    sum += Number(count) * (MS_OF[unit] ?? 0);
  }
  return sum;
}
