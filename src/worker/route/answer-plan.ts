/**
 * Who answers the requests of a route, with what each of its requests needs, compiled once.
 *
 * Thread: worker. Says nothing of how the answer is made.
 */
import { assertNever, defined } from '../../base/assert.js';
import type {
  CompiledAnswer,
  CompiledTokenEndpoint,
  CompiledUpstream,
} from '../../config/compiled-config.js';
import type { Authenticator, LoginPaths } from '../../filters/authentication/authenticator.js';
import type { RequestStep } from '../../filters/filter.js';
import { fixedReplyStep } from '../../filters/fixed-reply/fixed-reply.js';

interface PlanBase {
  /** The filters that judge or change a request run before it is answered. */
  readonly isEdited: boolean;
  /** The gateway itself reads the body of the request to answer it. */
  readonly readsBody: boolean;
}

export type AnswerPlan =
  | (PlanBase & { readonly kind: 'upstream'; readonly upstream: CompiledUpstream })
  /** The same, where replies may come from memory. */
  | (PlanBase & { readonly kind: 'cached'; readonly upstream: CompiledUpstream })
  | (PlanBase & { readonly kind: 'fixed'; readonly steps: readonly [RequestStep] })
  | (PlanBase & { readonly kind: 'tokens'; readonly endpoint: CompiledTokenEndpoint })
  | (PlanBase & { readonly kind: 'login'; readonly login: LoginPaths });

/** What answers are made of. */
export interface AnswerSources {
  /** By row. */
  readonly upstreams: readonly (CompiledUpstream | undefined)[];
  /** In the order of the configuration. */
  readonly authenticators: readonly Authenticator[];
}

/** `hasCache`: replies of targets may be stored. */
export function planAnswer(
  answer: CompiledAnswer,
  { upstreams, authenticators }: AnswerSources,
  hasCache: boolean,
): AnswerPlan {
  switch (answer.kind) {
    case 'upstream': {
      const upstream = defined(upstreams[answer.upstreamIndex], 'the upstream of a route');
      const kind = hasCache ? 'cached' : 'upstream';
      return { kind, isEdited: true, readsBody: false, upstream };
    }
    case 'fixed': {
      const steps = [fixedReplyStep(answer.reply)] as const;
      return { kind: 'fixed', isEdited: false, readsBody: false, steps };
    }
    case 'tokens':
      return { kind: 'tokens', isEdited: true, readsBody: true, endpoint: answer.endpoint };
    case 'login': {
      const { login } = authenticators[answer.authenticatorIndex] ?? {};
      const paths = defined(login, 'the paths of a login');
      return { kind: 'login', isEdited: true, readsBody: true, login: paths };
    }
    default:
      return assertNever(answer);
  }
}
