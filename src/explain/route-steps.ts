/**
 * The steps that a request takes on its route, in order, in words.
 *
 * Thread: any (pure). A new step of the pipeline has its line here.
 */
import { networkOf } from '../base/ip-address.js';
import type { CompiledLimiter, CompiledUpstream, LimiterKey } from '../config/compiled-config.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import type { WorkerRoute } from '../worker/route/worker-route.js';
import type { Step } from './explanation.js';
import type { Decided, Findings, Refusal } from './findings.js';

type Draft = Omit<Step, 'result'> & { readonly refuses: boolean; readonly answers?: boolean };

export function routeSteps(route: WorkerRoute, findings: Findings): Step[] {
  const { entry, identity, edit } = findings;
  const drafts: Draft[] = [
    filterDraft('enter', route.filters.entryNames, entry),
    { step: 'authenticate', detail: identity.detail, refuses: identity.refusal !== null },
    ...admissionDrafts(route, findings),
    ...(route.answer.isEdited ? [filterDraft('edit', route.filters.editNames, edit)] : []),
    ...answerDrafts(findings),
  ];
  const first = drafts.findIndex(({ refuses }) => refuses);
  return drafts.map(({ step, detail, answers = false }, at) => {
    if (first !== -1 && at > first) return { step, result: 'notReached', detail };
    if (at === first) return { step, result: 'refuses', detail };
    return { step, result: answers ? 'answers' : 'passes', detail };
  });
}

/**
 * When the gateway itself answers, the last step gives the answer, whether it is a refusal or not.
 */
function answerDrafts({ answer: { steps, reply } }: Findings): Draft[] {
  return steps.map((step, at) => {
    const isReply = reply !== null && at === steps.length - 1;
    const refuses = isReply && reply.problem !== null;
    return { ...step, refuses, answers: isReply && !refuses };
  });
}

function filterDraft(step: string, names: readonly string[], refusal: Refusal | null): Draft {
  const detail = refusal?.detail ?? (names.length === 0 ? 'no filter' : names.join(', '));
  return { step, detail, refuses: refusal !== null };
}

/** One admission decides about all of them. */
function admissionDrafts({ upstream }: WorkerRoute, { decided }: Findings): Draft[] {
  const part = decided.refusal?.problem?.part ?? '';
  const draft = (step: string, detail: string): Draft => ({
    step,
    detail,
    refuses: part === step,
  });
  const limits = draft('rateLimit', limitsText(decided));
  if (upstream === null) return [limits];
  return [
    limits,
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

/** The limiter key, with the values of this request. */
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
