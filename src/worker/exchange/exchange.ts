/**
 * One request in a worker, from head to finish.
 *
 * Thread: worker. One object with a group of fields for each part of the worker that writes some: a
 * group's fields are assigned in its own file, by methods that say what has happened; all other
 * code only reads. Its own fields are the pipeline's, but for those that say so. Fixed shape: every
 * field is set in the constructor and none is added later, so that all exchanges share one hidden
 * class, and their groups as well.
 */
import { defined } from '../../base/assert.js';
import type { ErrorPages } from '../../base/error-pages.js';
import { type FieldBlock, joinFields, NO_FIELDS } from '../../base/field-block.js';
import type { CompiledUpstream, GatewaySettings } from '../../config/compiled-config.js';
import type { AuthenticationRequest, Claims } from '../../filters/authentication/authenticator.js';
import type { EditableRequest, StepResult } from '../../filters/filter.js';
import type { PathParams } from '../../routing/route-table.js';
import { type AdmissionPlan, upstreamOfRoute, type WorkerRoute } from '../route/worker-route.js';
import { AdmissionState } from './admission-state.js';
import type { BodyCopies } from './body-copy.js';
import type { Caching } from './caching.js';
import { DeadlineEntry } from './deadline-wheel.js';
import { type GrpcCall, grpcCallOf } from './grpc-call.js';
import type { KnownHead } from './known-heads.js';
import type { MirrorEnd } from './mirror-end.js';
import { PHASE_ROUTE, type Phase } from './phase.js';
import type { PluginState } from './plugin-state.js';
import type { ReplyCost } from './reply-cost.js';
import { ReplyState } from './reply-state.js';
import type { RequestFields } from './request-fields.js';
import type { RequestHead, RequestHeadRecord } from './request-head.js';
import type { RequestTrace } from './request-trace.js';
import { TriesState } from './tries-state.js';
import type { TunnelFlow } from './tunnel-flow.js';
import { Upload } from './upload.js';

const NOTHING: readonly string[] = [];

/** A request as the lane brought it. */
export interface RequestRecord extends RequestHeadRecord {
  readonly index: number;
  readonly generation: number;
  readonly receivedMs: number;
  /** -1: not known. */
  readonly bodyBytes: number;
  readonly isComplete: boolean;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client asks for a WebSocket. */
  readonly wantsTunnel: boolean;
  /** Bytes of the reply that may be sent before the client has taken any; absent: WINDOW_BYTES. */
  readonly replyWindow?: number;
  /** What is known of its head already. null or absent: its connection has not sent it before. */
  readonly known?: KnownHead | null;
}

/** Who calls. Shared by all requests with the same credentials: never changed. */
export interface Caller {
  /** '' when nobody asked. */
  readonly consumer: string;
  /** What was verified about the caller; null: nobody asked. */
  readonly claims: Claims | null;
  /** Names and values of fields for the target that say who calls, in turn. */
  readonly fields: readonly string[];
  /** Fields for the client, in whatever reply it gets. Absent: none. */
  readonly replyFields?: FieldBlock;
  /** When the credentials end, in ms since 1970. Absent: they do not end by themselves. */
  readonly endsAtUnixMs?: number;
}

/** Nobody asked who calls. */
export const ANYBODY: Caller = { consumer: '', claims: null, fields: NOTHING };

/** There are no credentials, and the route lets in whoever has none. */
export const ANONYMOUS: Caller = { consumer: '', claims: null, fields: NOTHING };

type DeadlineHandler = (exchange: Exchange, nowMs: number) => void;

/** Of what no lane has brought. */
const NO_RECORD = {
  index: -1,
  generation: 0,
  listener: 0,
  bodyBytes: 0,
  isComplete: true,
  expectsContinue: false,
  wantsTunnel: false,
  parts: NOTHING,
};

/** The configuration that an exchange begins and ends under. */
export interface ExchangeEpoch {
  /** null: every refusal is a problem document. */
  readonly errorPages: ErrorPages | null;
  readonly matcher: { match(exchange: Exchange): StepResult };
  /** Where the gateway names itself. */
  readonly via: GatewaySettings['via'];
  /** `limits.bodyBytes`. */
  readonly bodyBytesMax: number;
  /** Exchanges that have begun and not finished. */
  exchanges: number;
}

export class Exchange implements EditableRequest, AuthenticationRequest {
  readonly index: number;
  readonly generation: number;
  readonly receivedMs: number;
  readonly deadline: DeadlineEntry;
  /** The client asks for a WebSocket: the head of its reply may open a tunnel. */
  readonly wantsTunnel: boolean;
  /** null: the head is read for this request alone. */
  readonly known: KnownHead | null;

  readonly admission: Readonly<AdmissionState> = new AdmissionState();
  readonly tries: Readonly<TriesState> = new TriesState();
  readonly upload: Readonly<Upload>;
  readonly reply: Readonly<ReplyState>;

  /** null: it is no call of gRPC. Assigned by request/grpc-entry.ts where the client has JSON. */
  grpc: Readonly<GrpcCall> | null;
  phase: Phase = PHASE_ROUTE;
  isFinished = false;
  /** No client waits for it: its reply is for what is stored only, and nothing goes on the lane. */
  isAside = false;
  /** Assigned by request/route-matcher.ts: null until then. {@link takeSide} narrows it. */
  route: WorkerRoute | null = null;
  identity: Caller = ANYBODY;
  /** Assigned by telemetry/request-tracing.ts; null: its spans are not exported. */
  trace: RequestTrace | null = null;
  /** Assigned by tunnel/tunnels.ts; null: the request asks for none, or not of a target. */
  tunnel: TunnelFlow | null = null;
  /** Assigned by cache/reply-cache.ts; null: its route has no cache. */
  caching: Caching | null = null;
  /** Assigned by request/fault-injection.ts: what was done to it on purpose; '': nothing. */
  fault: '' | 'delay' | 'abort' | 'delay and abort' = '';
  /** Assigned by told-costs.ts; null: no target has answered, or no limit wants to know. */
  cost: ReplyCost | null = null;
  /** Assigned by mirror/mirrors.ts; null: it is no copy, and none is compared with its reply. */
  mirror: MirrorEnd | null = null;
  /** Assigned by telemetry/logged-bodies.ts; null: its record shows no bodies. */
  bodyCopies: BodyCopies | null = null;
  /** null: no plugin has left anything. */
  plugins: PluginState | null = null;
  /** Path and query that the target gets where a filter has made them; else empty. */
  rewrittenTarget = '';
  /** What filters add to the fields that the target gets: names and values in turn. */
  addedFields: readonly string[] = NOTHING;

  /** `head` is what `record` says of it; `epoch` is null in tests only. */
  constructor(
    record: RequestRecord,
    readonly head: Readonly<RequestHead>,
    readonly epoch: ExchangeEpoch | null,
    onDeadline: DeadlineHandler,
  ) {
    this.index = record.index;
    this.generation = record.generation;
    this.receivedMs = record.receivedMs;
    this.wantsTunnel = record.wantsTunnel;
    this.known = record.known ?? null;
    this.upload = new Upload(record);
    this.reply = new ReplyState(record.replyWindow);
    this.grpc = grpcCallOf(head);
    this.deadline = new DeadlineEntry((nowMs) => onDeadline(this, nowMs));
  }

  /** A request of the gateway's own for what this one, which has passed its phases, asks for. */
  behind(receivedMs: number, onDeadline: DeadlineHandler): Exchange {
    const record = { ...NO_RECORD, receivedMs, protocol: this.head.protocol };
    const aside = new Exchange(record, this.head.copyAs('GET'), this.epoch, onDeadline);
    aside.isAside = true;
    aside.route = this.route;
    aside.rewrittenTarget = this.rewrittenTarget;
    aside.addedFields = this.addedFields;
    aside.identify(this.identity);
    return aside;
  }

  /** The same request, with the body that was collected, for the targets of another route. */
  copied(route: WorkerRoute, receivedMs: number, onDeadline: DeadlineHandler): Exchange {
    const record = { ...NO_RECORD, receivedMs, protocol: this.head.protocol };
    const head = this.head.copyAs(this.method);
    const copy = new Exchange(record, head, this.epoch, onDeadline);
    copy.isAside = true;
    copy.route = route;
    copy.rewrittenTarget = this.rewrittenTarget;
    copy.addedFields = this.addedFields;
    copy.identify(this.identity);
    if (this.bodyBytes !== 0) copy.upload.replace(this.upload.collected());
    return copy;
  }

  /** Its route is shared among several upstreams: it goes to this one. */
  takeSide(side: WorkerRoute): void {
    this.route = side;
  }

  /** Plugins have something to keep. */
  keepPlugins(state: PluginState): void {
    this.plugins = state;
  }

  /** These are all that filters and plugins add to what the target gets. */
  addFields(fields: readonly string[]): void {
    this.addedFields = fields;
  }

  /** It is known who calls. */
  identify(caller: Caller): void {
    this.identity = caller;
  }

  /** Somebody asked who calls, and it is nobody who is known. */
  get isAnonymous(): boolean {
    return this.identity === ANONYMOUS;
  }

  // What filters and authenticators see of a request.

  get method(): string {
    return this.head.method;
  }

  get target(): string {
    return this.head.target;
  }

  get path(): string {
    return this.head.path;
  }

  get sentPath(): string {
    return this.head.sentPath;
  }

  get routedTarget(): string {
    return this.head.routedPath + this.head.query;
  }

  get query(): string {
    return this.head.query;
  }

  get scheme(): string {
    return this.head.clientScheme;
  }

  get clientIp(): string {
    return this.head.clientIp;
  }

  get requestId(): string {
    return this.head.requestId;
  }

  get certificate(): string {
    return this.head.certificate;
  }

  get fields(): RequestFields {
    return this.head.fields;
  }

  get params(): PathParams {
    return this.head.params;
  }

  wholeBody(): Buffer {
    return this.upload.collected();
  }

  get bodyBytes(): number {
    return this.upload.bodyBytes;
  }

  get consumer(): string {
    return this.identity.consumer;
  }

  get claims(): Claims | null {
    return this.identity.claims;
  }

  /** Fields of its own that the gateway puts into whatever reply the client gets. */
  get replyFields(): FieldBlock {
    const own = this.identity.replyFields ?? NO_FIELDS;
    const { limitFields } = this.admission;
    const fields =
      limitFields === NO_FIELDS ? own : joinFields(joinFields(policyOf(this), limitFields), own);
    return this.caching === null ? fields : joinFields(fields, this.caching.statusField);
  }

  /** Row of the target whose reply goes to the client, or else of the one last admitted to; -1. */
  get targetIndex(): number {
    const { answeringTarget } = this.tries;
    return answeringTarget === -1 ? this.admission.targetIndex : answeringTarget;
  }
}

/** The limits that count its caller. */
function policyOf({ identity, route }: Exchange): FieldBlock {
  if (route === null) return NO_FIELDS;
  const { identified, anonymous, unknown } = route.policyFields;
  if (identity === ANONYMOUS) return anonymous;
  return identity === ANYBODY ? unknown : identified;
}

/** The upstream of an exchange whose route is known. */
export function upstreamOf(exchange: Exchange): CompiledUpstream {
  return upstreamOfRoute(routeOf(exchange));
}

/** What is asked about the exchange once it is known who calls. */
export function admissionOf(exchange: Exchange): AdmissionPlan {
  const { admission, anonymousAdmission } = routeOf(exchange);
  return exchange.isAnonymous ? anonymousAdmission : admission;
}

/** The route of an exchange that has one. */
export function routeOf(exchange: Exchange): WorkerRoute {
  return defined(exchange.route, 'the route of an exchange');
}
