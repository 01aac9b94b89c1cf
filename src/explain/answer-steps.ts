/**
 * How a route answers a request that no step has refused, in words.
 *
 * Thread: any (pure). A new kind of answer has its lines here.
 */
import { assertNever, defined } from '../base/assert.js';
import type { CompiledUpstream } from '../config/compiled-config.js';
import { sourceInWords } from '../config/compiled-discovery.js';
import type { CompiledFallback } from '../config/compiled-fallback.js';
import type { CompiledMirror } from '../config/compiled-mirror.js';
import type { Exchange } from '../worker/exchange/exchange.js';
import { pathForTarget, type WorkerRoute } from '../worker/route/worker-route.js';
import { refusalOf, type StepFound } from './findings.js';

/** What the answerer of a route does; a step with a reply is the gateway's own answer. */
export function answerSteps(route: WorkerRoute, exchange: Exchange): readonly StepFound[] {
  const { answer, config } = route;
  switch (answer.kind) {
    case 'cached':
    case 'upstream': {
      const sent = forwardText(answer.upstream, config.timeoutMs);
      return [
        { step: 'rewrite', detail: rewriteText(route, exchange), reply: null },
        { step: 'forward', detail: sent, reply: null },
        ...(config.fallback === undefined
          ? []
          : [{ step: 'fallback', detail: fallbackText(config.fallback), reply: null }]),
        ...(config.mirror === undefined
          ? []
          : [{ step: 'mirror', detail: mirrorText(config.mirror), reply: null }]),
      ];
    }
    case 'fixed': {
      const reply = defined(answer.steps[0](exchange), 'a fixed reply');
      const step = reply.status >= 300 && reply.status < 400 ? 'redirect' : 'respond';
      return [{ step, detail: `status ${reply.status}`, reply: refusalOf(reply) }];
    }
    case 'tokens': {
      const detail = `The token service answers: ${answer.endpoint}.`;
      const reply = { problem: null, status: 200, detail };
      return [{ step: 'tokenService', detail: answer.endpoint, reply }];
    }
    case 'login': {
      const detail = answer.login.summary;
      return [{ step: 'login', detail, reply: { problem: null, status: 200, detail } }];
    }
    default:
      return assertNever(answer);
  }
}

function fallbackText({ upstreams, on }: CompiledFallback): string {
  const kinds = [
    on.connectFailure ? 'connectFailure' : '',
    on.timeout ? 'timeout' : '',
    on.reset ? 'reset' : '',
    on.status5xx ? '5xx' : '',
    ...on.statuses,
  ].filter((kind) => kind !== '');
  return `then ${upstreams.map(({ name }) => name).join(', ')}, on ${kinds.join(', ')}`;
}

function mirrorText({ name, percent, compares }: CompiledMirror): string {
  const parts = Object.entries(compares).flatMap(([part, isCompared]) =>
    isCompared ? [part] : [],
  );
  const compared = parts.length === 0 ? '' : `; compares ${parts.join(', ')}`;
  return `${percent} % of the requests are copied to ${name}${compared}`;
}

function rewriteText(route: WorkerRoute, { head, rewrittenTarget }: Exchange): string {
  const { setHeaders, removeHeaders } = route.config.rewrite;
  const sent = rewrittenTarget || pathForTarget(route, head);
  const parts = [
    sent === head.path ? '' : `path becomes ${sent}`,
    setHeaders.length === 0 ? '' : `sets ${setHeaders.map(([name]) => name).join(', ')}`,
    removeHeaders.length === 0 ? '' : `removes ${removeHeaders.join(', ')}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'nothing' : parts.join('; ');
}

function forwardText(upstream: CompiledUpstream, routeTimeoutMs: number): string {
  const { timeouts, retry, hedgeAfterMs, discovery } = upstream;
  const parts = [
    discovery === null ? '' : `targets from ${sourceInWords(discovery.source)}`,
    `waits ${timeouts.perTryMs} ms for the head`,
    retry.attempts === 0 ? 'no retries' : `retries: ${retry.attempts}`,
    hedgeAfterMs === -1 ? '' : `a second try after ${hedgeAfterMs} ms`,
    routeTimeoutMs === 0 ? '' : `${routeTimeoutMs} ms for all of it`,
  ];
  return parts.filter((part) => part !== '').join('; ');
}
