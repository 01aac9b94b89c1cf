/**
 * The steps that a route takes with a request, in order, in words.
 *
 * Thread: any (pure). A new step of the pipeline has its line here.
 */
import { networkOf } from '../base/ip-address.js';
import type {
  CompiledFilters,
  CompiledLimiter,
  CompiledUpstream,
  LimiterKey,
} from '../config/compiled-config.js';
import type { Exchange } from '../worker/exchange.js';
import type { WorkerRoute } from '../worker/worker-route.js';
import { rewritePath } from '../worker/worker-route.js';
import type { Step } from './explanation.js';
import type { Decided, Findings, Refusal } from './findings.js';

type Draft = Omit<Step, 'result'> & { readonly refuses: boolean };

export function routeSteps(route: WorkerRoute, findings: Findings): Step[] {
  const { entry, identity, fixed, edit, exchange } = findings;
  const drafts: Draft[] = [
    filterDraft('enter', ENTRY_FILTERS, route, entry),
    { step: 'authenticate', detail: identity.detail, refuses: identity.refusal !== null },
    ...(fixed === null
      ? admissionDrafts(route, findings)
      : [{ step: 'fixedReply', detail: `status ${fixed.status}`, refuses: true }]),
    filterDraft('edit', EDIT_FILTERS, route, edit),
    { step: 'rewrite', detail: rewriteText(route, exchange), refuses: false },
    { step: 'forward', detail: forwardText(route), refuses: false },
  ];
  const first = drafts.findIndex(({ refuses }) => refuses);
  return drafts.map(({ step, detail }, at) => ({
    step,
    result: first === -1 || at < first ? 'passes' : at === first ? 'refuses' : 'notReached',
    detail,
  }));
}

/** In the order in which worker/request/route-filters.ts places them. */
const ENTRY_FILTERS = ['ipFilter', 'cors', 'deprecation', 'guards'] as const;
const EDIT_FILTERS = ['validation', 'transformation'] as const;

function filterDraft(
  step: string,
  names: readonly (keyof CompiledFilters)[],
  { config }: WorkerRoute,
  refusal: Refusal | null,
): Draft {
  const used = names.filter((name) => config.filters[name] !== undefined);
  const detail = refusal?.detail ?? (used.length === 0 ? 'no filter' : used.join(', '));
  return { step, detail, refuses: refusal !== null };
}

function admissionDrafts({ upstream }: WorkerRoute, { decided }: Findings): Draft[] {
  const part = decided.refusal?.problem?.part ?? '';
  const draft = (step: string, detail: string): Draft => ({
    step,
    detail,
    refuses: part === step,
  });
  return [
    draft('rateLimit', limitsText(decided)),
    draft('circuitBreaker', breakerText(upstream, decided)),
    draft('loadBalancing', balancingText(upstream, decided)),
  ];
}

function limitsText({ limits }: Decided): string {
  if (limits.length === 0) return 'no limit';
  return limits
    .map(({ limit, hasRoom, remaining, quota, mode }) => {
      const left = hasRoom ? `${remaining} of ${quota} left` : 'used up';
      return `${limit}: ${left}${mode === 'shadow' ? ' (shadow)' : ''}`;
    })
    .join('; ');
}

function breakerText({ circuitBreaker }: CompiledUpstream, { targets }: Decided): string {
  const notClosed = targets.filter(({ circuitBreaker: state }) => state !== 'CLOSED').length;
  const opens = `opens after ${circuitBreaker.failureThreshold} failures in a row`;
  return `${targets.length - notClosed} of ${targets.length} closed; ${opens}`;
}

function balancingText({ name, loadBalancing }: CompiledUpstream, { picked }: Decided): string {
  const to = picked === '' ? 'no target' : picked;
  return `${loadBalancing.policy} in upstream ${name}: ${to}`;
}

function rewriteText(route: WorkerRoute, { path, rewrittenTarget }: Exchange): string {
  const { setHeaders, removeHeaders } = route.config.rewrite;
  const sent = rewrittenTarget || rewritePath(route, path);
  const parts = [
    sent === path ? '' : `path becomes ${sent}`,
    setHeaders.length === 0 ? '' : `sets ${setHeaders.map(([name]) => name).join(', ')}`,
    removeHeaders.length === 0 ? '' : `removes ${removeHeaders.join(', ')}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'nothing' : parts.join('; ');
}

function forwardText({ config, upstream }: WorkerRoute): string {
  const { timeouts, retry, hedgeAfterMs } = upstream;
  const parts = [
    `waits ${timeouts.perTryMs} ms for the head`,
    retry.attempts === 0 ? 'no retries' : `retries: ${retry.attempts}`,
    hedgeAfterMs === -1 ? '' : `a second try after ${hedgeAfterMs} ms`,
    config.timeoutMs === 0 ? '' : `${config.timeoutMs} ms for all of it`,
  ];
  return parts.filter((part) => part !== '').join('; ');
}

/** What a limit counts by, with the values of this request. */
export function limitKeyText({ keys }: CompiledLimiter, exchange: Exchange): string {
  return keys.map((key) => keyText(key, exchange)).join(', ');
}

function keyText(key: LimiterKey, exchange: Exchange): string {
  switch (key.kind) {
    case 'consumer':
      return `consumer=${exchange.consumer}`;
    case 'header':
      return `header:${key.header}=${exchange.fields.value(key.header)}`;
    case 'clientIp':
      return `clientIp=${networkOf(exchange.clientIp)}`;
    default:
      return 'route';
  }
}
