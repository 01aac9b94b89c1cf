/**
 * What is different between two decisions about one request, and how often each difference was
 * seen.
 *
 * Thread: any (pure). Memory is bounded: texts of strangers stand in no key but paths, of which
 * only one example is kept for each difference.
 */
import type { RecordedRequest } from './recorded-request.js';
import type { Decision } from './virtual-gateway.js';

/** One kind of difference, in the order in which a report has them. */
export type ChangeKind =
  /** It went on, or was answered, and is refused now. */
  | 'refused'
  /** It was refused, and is not any more. */
  | 'admitted'
  /** It was refused in another way. */
  | 'refusal'
  /** Another route takes it. */
  | 'route'
  /** Its route sends it to another upstream, or answers it itself. */
  | 'upstream'
  /** Its target gets another path. */
  | 'path'
  /** Its route asks who calls, and the log does not say. */
  | 'unknown';

export const CHANGE_KINDS: readonly ChangeKind[] = [
  'refused',
  'admitted',
  'refusal',
  'route',
  'upstream',
  'path',
  'unknown',
];

/** Requests with the same difference. */
export interface Change {
  readonly kind: ChangeKind;
  readonly before: string;
  readonly after: string;
  readonly requests: number;
  /** Callers by name, with the most requests first; '': those that are not known. */
  readonly consumers: readonly (readonly [name: string, requests: number])[];
  /** The first of them: method and target, and both paths where these are what changed. */
  readonly example: string;
}

/** Names of callers that are counted for one difference; others count without a name. */
const CONSUMERS_MAX = 1000;
const CONSUMERS_SHOWN = 5;
/** Differences that are counted; others are added up. */
const CHANGES_MAX = 10_000;
const EXAMPLE_CHARS_MAX = 300;

interface Counted {
  readonly kind: ChangeKind;
  readonly before: string;
  readonly after: string;
  readonly example: string;
  requests: number;
  readonly consumers: Map<string, number>;
}

export class Changes {
  private readonly byKey = new Map<string, Counted>();
  /** Requests that something is different for. */
  total = 0;
  /** Those among them whose difference is not listed, since there are too many. */
  unlisted = 0;

  compare(request: RecordedRequest, before: Decision, after: Decision): void {
    const kind = kindOf(before, after);
    if (kind === null) return;
    this.total += 1;
    const [was, is] = textsOf(kind, before, after);
    const key = `${kind}\n${was}\n${is}`;
    let counted = this.byKey.get(key);
    if (counted === undefined) {
      if (this.byKey.size >= CHANGES_MAX) {
        this.unlisted += 1;
        return;
      }
      const example = exampleOf(kind, request, before, after);
      counted = { kind, before: was, after: is, example, requests: 0, consumers: new Map() };
      this.byKey.set(key, counted);
    }
    counted.requests += 1;
    const { consumers } = counted;
    const isCounted = consumers.size < CONSUMERS_MAX || consumers.has(request.consumer);
    const name = isCounted ? request.consumer : '';
    consumers.set(name, (consumers.get(name) ?? 0) + 1);
  }

  /** By kind, those of most requests first. */
  list(): Change[] {
    const order = (one: Counted): number => CHANGE_KINDS.indexOf(one.kind);
    return [...this.byKey.values()]
      .sort((a, b) => order(a) - order(b) || b.requests - a.requests)
      .map(({ consumers, ...change }) => ({
        ...change,
        consumers: [...consumers].sort((a, b) => b[1] - a[1]).slice(0, CONSUMERS_SHOWN),
      }));
  }
}

/** null: nothing is different. */
function kindOf(before: Decision, after: Decision): ChangeKind | null {
  if (after.kind === 'unknown' || before.kind === 'unknown') {
    return before.kind === after.kind && before.route === after.route ? null : 'unknown';
  }
  if (before.kind !== 'refused' && after.kind === 'refused') return 'refused';
  if (before.kind === 'refused' && after.kind !== 'refused') return 'admitted';
  if (before.kind === 'refused') {
    return before.code === after.code && before.status === after.status ? null : 'refusal';
  }
  if (before.route !== after.route) return 'route';
  if (before.upstream !== after.upstream || before.status !== after.status) return 'upstream';
  return before.target === after.target ? null : 'path';
}

function textsOf(kind: ChangeKind, before: Decision, after: Decision): readonly [string, string] {
  // Each path would be a difference of its own.
  if (kind === 'path') return [`route ${before.route}`, 'another path'];
  return [textOf(before), textOf(after)];
}

function textOf({ kind, route, code, status, upstream }: Decision): string {
  const where = route === '' ? 'no route' : `route ${route}`;
  switch (kind) {
    case 'refused':
      return `${where}: ${status} ${code}`;
    case 'answered':
      return `${where}: answers ${status}`;
    case 'unknown':
      return `${where}: asks who calls`;
    default:
      return `${where}: upstream ${upstream}`;
  }
}

function exampleOf(
  kind: ChangeKind,
  { method, target }: RecordedRequest,
  before: Decision,
  after: Decision,
): string {
  const asked = `${method} ${target}`;
  const text = kind === 'path' ? `${asked}: ${before.target} → ${after.target}` : asked;
  return text.length > EXAMPLE_CHARS_MAX ? `${text.slice(0, EXAMPLE_CHARS_MAX)}…` : text;
}
