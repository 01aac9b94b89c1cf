/**
 * The steps that a route takes with a request, in words: phase by phase, in the pipeline's order.
 *
 * Thread: supervisor (on the main thread). Judges by the worker's own phases. A new phase has its
 * lines here, and a new kind of answer in answer-steps.ts.
 */

import { assertNever } from '../base/assert.js';
import { SHARE_ALL } from '../base/rollout-words.js';
import { parseTemplate } from '../base/template-text.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import type { CompiledSplit } from '../config/compiled-split.js';
import type { EditStep } from '../filters/filter.js';
import { redactQuery } from '../observability/redact-query.js';
import { sideOf } from '../worker/admission/route-side.js';
import { admissionOf, type Exchange } from '../worker/exchange/exchange.js';
import {
  PHASE_ANSWER,
  PHASE_EDIT,
  PHASE_ENTER,
  PHASE_FIRST_LIMIT,
  PHASE_IDENTIFY,
  PHASE_LIMIT,
  PHASE_REPLY,
  PHASE_ROUTE,
  PHASES,
  type Phase,
} from '../worker/exchange/phase.js';
import { enterCall } from '../worker/request/grpc-entry.js';
import { hideCredentials } from '../worker/request/hide-credentials.js';
import type { RouteSides, WorkerRoute } from '../worker/route/worker-route.js';
import { judgeHandshake, webSocketRulesOf } from '../worker/tunnel/handshake.js';
import { answerSteps } from './answer-steps.js';
import { cacheStep } from './cache-step.js';
import { compressionStep } from './compression-step.js';
import { decide } from './decide.js';
import type { ExplainContext } from './explain-context.js';
import type { ExplainedRequest, LimitShown } from './explanation.js';
import { type Decided, type Refusal, refusalOf, type StepFound } from './findings.js';
import { identify } from './identify.js';
import { sharesIn } from './rollout-shares.js';

/** What is asked, of an exchange whose route is known. */
export interface Inquiry {
  readonly request: ExplainedRequest;
  readonly context: ExplainContext;
  readonly exchange: Exchange;
  readonly route: WorkerRoute;
}

/** What the phases would do. */
export interface PhasesFound {
  readonly steps: readonly StepFound[];
  readonly decided: Decided;
}

/** Runs all phases in the order of the pipeline, even after one that refuses. */
export async function judgePhases(asked: Inquiry): Promise<PhasesFound> {
  const { route, request } = asked;
  let inquiry = asked;
  const steps: StepFound[] = [];
  // Equal requests are refused alike, so those before this one came as far as it does.
  let earlier = request.repeat - 1;
  const first = decide({ ...inquiry, earlier, plan: route.firstAdmission });
  earlier = first.admittedBefore;
  let decided = first;
  for (const phase of PHASES) {
    if (phase === PHASE_LIMIT) {
      if (route.sides !== null) {
        inquiry = onSide(inquiry, route.sides);
        steps.push(splitStep(inquiry, route.sides));
      }
      decided = decide({ ...inquiry, earlier, plan: admissionOf(inquiry.exchange) });
    }
    if (phase === PHASE_ANSWER && asksForTarget(inquiry)) {
      const asked = decide({ ...inquiry, earlier, plan: route.targetAdmission });
      // Where this upstream has no target, another one may have some.
      const refusal = decided.refusal ?? (route.fallback === null ? asked.refusal : null);
      decided = { ...asked, limits: decided.limits, refusal };
    }
    const found = await stepsOf(phase, inquiry, decided);
    if (phase !== PHASE_FIRST_LIMIT && found.some(({ reply }) => reply !== null)) earlier = 0;
    steps.push(...found);
  }
  return { steps, decided: { ...decided, limits: inOrderOf(route, [first, decided]) } };
}

/** Goes on with the side that gets the request. */
function onSide(inquiry: Inquiry, sides: RouteSides): Inquiry {
  const route = sideOf(inquiry.exchange, sides, sharesIn(inquiry.context));
  inquiry.exchange.takeSide(route);
  return { ...inquiry, route };
}

/** Chance decides: an explanation says what may happen, and goes on. */
function faultSteps({ config: { faults } }: WorkerRoute): StepFound[] {
  if (faults === undefined) return [];
  const { percent, delayMs, status, header } = faults;
  const parts = [
    delayMs === 0 ? '' : `waits ${delayMs} ms`,
    status === 0 ? '' : `gets ${status}`,
  ].filter((part) => part !== '');
  const who = header === '' ? '' : ` with ${header}`;
  const detail = `${percent} % of the requests${who}: each ${parts.join(', then ')}`;
  return [{ step: 'faults', detail, reply: null }];
}

function splitStep({ route, context }: Inquiry, { split }: RouteSides): StepFound {
  const { rollout } = split;
  const shareOfNew = rollout === undefined ? null : sharesIn(context).shareOf(rollout);
  const parts = split.sides.map(
    ({ name, weight }, at) => `${name} ${shareText(shareOfNew, weight, at)}`,
  );
  const { refuse } = split;
  if (refuse !== undefined) parts.push(`${refuse.reply.status} ${refuse.weight}`);
  const side = route.upstream?.name ?? `${refuse?.reply.status}`;
  const detail = `${side}, of ${parts.join(', ')}, by ${splitKeyText(split.key)}`;
  return { step: 'split', detail, reply: null };
}

/** Percent where the coordinator says what the second of two sides has, else the weight. */
function shareText(shareOfNew: number | null, weight: number, at: number): string {
  if (shareOfNew === null) return String(weight);
  const share = at === 0 ? SHARE_ALL - shareOfNew : shareOfNew;
  return `${(100 * share) / SHARE_ALL} %`;
}

function splitKeyText(key: CompiledSplit['key']): string {
  switch (key.kind) {
    case 'header':
      return `header:${key.header}`;
    case 'cookie':
      return `cookie:${key.cookie}`;
    default:
      return key.kind;
  }
}

/** In the order of the configuration, however they were asked for. */
function inOrderOf({ limiters }: WorkerRoute, decided: readonly Decided[]): LimitShown[] {
  const shown = decided.flatMap(({ limits }) => limits);
  return limiters.flatMap(({ name }) => shown.filter(({ limit }) => limit === name));
}

async function stepsOf(
  phase: Phase,
  inquiry: Inquiry,
  decided: Decided,
): Promise<readonly StepFound[]> {
  const { route, exchange } = inquiry;
  const { entrySteps, entryNames, editSteps, editNames } = route.filters;
  switch (phase) {
    case PHASE_ENTER:
      return [
        ...callSteps(route, exchange),
        filterStep('enter', entryNames, firstReply(entrySteps, exchange)),
        ...webSocketSteps(route, exchange),
        ...faultSteps(route),
      ];
    case PHASE_FIRST_LIMIT:
      return route.firstAdmission.isNeeded ? [limitStep(decided)] : [];
    case PHASE_IDENTIFY:
      return [await identityStep(inquiry)];
    case PHASE_LIMIT:
      return admissionSteps(inquiry, decided);
    case PHASE_EDIT: {
      if (route.hides !== null) hideCredentials(exchange, route.hides);
      if (!route.answer.isEdited) return [];
      const reply = firstReply(editSteps, exchange);
      const { cache, moment } = inquiry.context;
      // Before values are hidden that belong to the key.
      if (reply === null && route.answer.kind === 'cached') cache.look(exchange, moment);
      if (inquiry.context.memory !== null) hideSetValues(exchange, route);
      return [withScope(filterStep('edit', editNames, reply), route), ...pluginSteps(inquiry)];
    }
    case PHASE_ANSWER:
      return [...cacheSteps(inquiry, decided), ...answerSteps(route, exchange)];
    case PHASE_REPLY: {
      // Nothing is sent: this is what would be done with a reply.
      const plan = route.filters.replyCoding;
      return plan === null ? [] : [compressionStep(plan, exchange)];
    }
    case PHASE_ROUTE:
      // The route was found before.
      return [];
    default:
      return assertNever(phase);
  }
}

/** Plugins are named in the order in which requests pass them; nobody calls them here. */
function pluginSteps({ route, context }: Inquiry): StepFound[] {
  const { plugins = [] } = route.config;
  if (plugins.length === 0) return [];
  const names = plugins.map((place) => context.config.plugins[place]?.name ?? '');
  return [{ step: 'plugins', detail: `${names.join(', ')}: not called here`, reply: null }];
}

/** Of a call of gRPC: what it is, and how long it may take. */
function callSteps({ config }: WorkerRoute, exchange: Exchange): StepFound[] {
  const { grpc, receivedMs } = exchange;
  if (grpc === null || config.filters.grpcJson !== undefined) return [];
  const refused = enterCall(exchange, grpc);
  const reply = refused === null ? null : refusalOf(refused);
  const { service, method, deadlineMs } = grpc;
  const name = service === '' ? 'no method of gRPC has this path' : `${service}/${method}`;
  const time = Number.isFinite(deadlineMs) ? `, for ${deadlineMs - receivedMs} ms at most` : '';
  return [{ step: 'grpc', detail: reply?.detail ?? `${name}${time}`, reply }];
}

/** Of a handshake that a target is to answer. */
function webSocketSteps(route: WorkerRoute, { head, wantsTunnel }: Exchange): StepFound[] {
  if (!wantsTunnel || route.upstream === null) return [];
  const refused = judgeHandshake(head, webSocketRulesOf(route.config), route.hides);
  const reply = refused === null ? null : refusalOf(refused);
  const detail = reply?.detail ?? 'a tunnel, once the target has answered 101';
  return [{ step: 'websocket', detail, reply }];
}

/** `names`: of the filters that have steps in this phase. */
function filterStep(step: string, names: readonly string[], reply: Refusal | null): StepFound {
  const detail = reply?.detail ?? (names.length === 0 ? 'no filter' : names.join(', '));
  return { step, detail, reply };
}

/** What validation looks at, and what it does not, where a document says it. */
function withScope(found: StepFound, { config: { scope } }: WorkerRoute): StepFound {
  if (scope === undefined || found.reply !== null) return found;
  const judged = scope.judged.length === 0 ? 'nothing' : scope.judged.join(', ');
  const unjudged = scope.unjudged.map((text) => `; not judged: ${text}`).join('');
  return { ...found, detail: `${found.detail}; the document judges ${judged}${unjudged}` };
}

function firstReply(steps: readonly EditStep[], exchange: Exchange): Refusal | null {
  for (const step of steps) {
    const reply = step(exchange);
    if (reply !== null) return refusalOf(reply);
  }
  return null;
}

async function identityStep({ request, context, exchange, route }: Inquiry): Promise<StepFound> {
  const { consumer, detail, refusal } = await identify(request, route, exchange, context);
  if (consumer !== exchange.consumer) exchange.identify({ ...exchange.identity, consumer });
  return { step: 'authenticate', detail, reply: refusal };
}

/** A route with a cache asks for a target when nothing stored answers; with fallbacks, always. */
function asksForTarget({ context, exchange, route }: Inquiry): boolean {
  const looked = context.cache.foundFor(exchange);
  return looked === undefined ? route.fallback !== null : looked.look !== 'serve';
}

function cacheSteps(inquiry: Inquiry, decided: Decided): StepFound[] {
  const { context, exchange, route } = inquiry;
  const looked = context.cache.foundFor(exchange);
  if (looked === undefined) {
    const isLate = route.fallback !== null && route.upstream !== null;
    return isLate ? targetSteps(route.upstream, decided) : [];
  }
  const step = cacheStep({ exchange, route, looked, now: context.moment });
  if (step.reply !== null || route.upstream === null) return [step];
  return [step, ...targetSteps(route.upstream, decided)];
}

/** One admission decides about all of them. */
function admissionSteps({ route, exchange }: Inquiry, decided: Decided): StepFound[] {
  const { limiters, upstream } = admissionOf(exchange);
  // The first limits may have been all that there are, and have their own step.
  const hasOwnStep = limiters.length > 0 || !route.firstAdmission.isNeeded;
  const limits = hasOwnStep ? [limitStep(decided)] : [];
  if (upstream === null) return limits;
  return [...limits, ...targetSteps(upstream, decided)];
}

function targetSteps(upstream: CompiledUpstream, decided: Decided): StepFound[] {
  return [
    admissionStep('circuitBreaker', breakerText(upstream, decided), decided),
    admissionStep('loadBalancing', balancingText(upstream, decided), decided),
  ];
}

function limitStep(decided: Decided): StepFound {
  return admissionStep('rateLimit', limitsText(decided), decided);
}

function admissionStep(step: string, detail: string, { refusal }: Decided): StepFound {
  return { step, detail, reply: refusal?.problem?.part === step ? refusal : null };
}

function limitsText({ limits }: Decided): string {
  if (limits.length === 0) return 'no limit';
  return limits
    .map(({ limit, hasRoom, remaining, quota, mode, reserve }) => {
      const left = hasRoom ? `${remaining} of ${quota} left` : 'used up';
      const rule =
        reserve === undefined ? '' : `, ${reserve} reserved until the reply tells the cost`;
      return `${limit}: ${left}${rule}${mode === 'shadow' ? ' (shadow)' : ''}`;
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

/**
 * A caller of the running gateway may not know its configuration, so set values are hidden: one may
 * be a secret.
 */
function hideSetValues(exchange: Exchange, route: WorkerRoute): void {
  const { set = [], add = [] } = route.config.filters.transformation?.query ?? {};
  const written = [...set, ...add].filter(([, text]) => !isSourceOnly(text));
  const names = new Set(written.map(([name]) => name.toLowerCase()));
  exchange.rewrittenTarget = redactQuery(exchange.rewrittenTarget, names);
}

/** Whether the template only repeats values of the request, which the caller has sent. */
function isSourceOnly(text: string): boolean {
  const parsed = parseTemplate(text);
  return parsed.isValid && parsed.parts.every((part) => typeof part === 'object');
}
