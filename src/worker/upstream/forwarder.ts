/**
 * Hands requests to targets.
 *
 * Thread: worker. Owns this worker's connections to all targets. Which try is made, and which one
 * answers the client, is decided in tries/; what a target says goes to the listener of its try.
 */
import { defined } from '../../base/assert.js';
import type { TargetSlotView } from '../../channel/coordinator/target-slots.js';
import type { BlockLender } from '../../channel/lane.js';
import type { WorkloadMaterial } from '../../channel/workload-material.js';
import type { CompiledTarget, GatewaySettings } from '../../config/compiled-config.js';
import { DIALECT_GRPC } from '../../wire/grpc/content-type.js';
import type { Admission } from '../exchange/admission-state.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import { pathForTarget, queryForTarget } from '../route/worker-route.js';
import { ReadMemory } from './read-memory.js';
import { TargetConnections } from './target-connections.js';
import type { ConnectTarget } from './upstream-connections.js';
import type { UpstreamRequest } from './upstream-transport.js';
import { type TryListener, UpstreamTry } from './upstream-try.js';
import { WorkloadIdentity } from './workload-identity.js';

export interface ForwarderParts {
  /** Long replies are read into its blocks. */
  readonly lane: BlockLender;
  readonly connect: ConnectTarget;
  /** Who is in rows whose targets come from discovery. */
  readonly slots: TargetSlotView;
  /** Such a row has a target that it did not have before. */
  onTarget(target: CompiledTarget): void;
  nowMs(): number;
  /** A socket to a target was opened. */
  onConnected(): void;
  /** That many bytes of the request body were used up: the client may send as many more. */
  giveWindow(exchange: Exchange, bytes: number): void;
  /** A client that waits for that may send the request body. */
  wantBody(exchange: Exchange): void;
  /** The request body is one side of a conversation. */
  converse(exchange: Exchange): void;
}

export class Forwarder {
  private readonly connections: TargetConnections;
  private readonly workload = new WorkloadIdentity();

  constructor(private readonly parts: ForwarderParts) {
    const connection = {
      memory: new ReadMemory(parts.lane),
      workload: this.workload,
      nowMs: parts.nowMs,
      onConnected: parts.onConnected,
    };
    const { connect, slots } = parts;
    const onTarget = (target: CompiledTarget): void => parts.onTarget(target);
    this.connections = new TargetConnections({ connection, connect, slots, onTarget });
  }

  /** The targets of this configuration can be reached from now on. */
  adopt(config: Pick<GatewaySettings, 'upstreams' | 'targets'>): void {
    this.connections.adopt(config);
  }

  /** The gateway is this workload from now on, and believes these authorities. */
  adoptWorkload(material: WorkloadMaterial): void {
    this.workload.adopt(material);
    this.connections.renewIdentity();
  }

  /** Discovery has lost targets: idle connections to them end. */
  dropLeft(): void {
    this.connections.dropLeft();
  }

  /** No exchange asks for any other target any more. */
  keepOnly(targetIndexes: ReadonlySet<number>): void {
    this.connections.keepOnly(targetIndexes);
  }

  /** More than a window's worth may be collected: the client must be let go on. */
  creditCollected(exchange: Exchange): void {
    const { uncredited } = exchange.upload;
    if (uncredited > 0) this.parts.giveWindow(exchange, uncredited);
  }

  /** The body is collected before anything is sent: a client that waits for that may send it. */
  wantCollected(exchange: Exchange): void {
    this.parts.wantBody(exchange);
  }

  /** A try with this admission, which is then its own to give back. */
  prepare(exchange: Exchange, admission: Admission, listener: TryListener): UpstreamTry {
    const connections = this.connections.of(admission.targetIndex);
    return new UpstreamTry(exchange, listener, connections, admission);
  }

  /** Sends the request. Every failure, at once or later, comes to the try's listener. */
  launch(attempt: UpstreamTry, isFresh: boolean): void {
    const { exchange, targetIndex } = attempt;
    const route = defined(exchange.route, 'the route of a try');
    const { via } = defined(exchange.epoch, 'the epoch of a try');
    const { head, trace, tunnel } = exchange;
    const target = this.connections.targetOf(targetIndex);
    const keepsHost = (route.config.keepsHost ?? target.keepsHost) && head.fields.host !== '';
    const timeoutLeft = exchange.grpc?.timeoutLeft(this.parts.nowMs()) ?? '';
    if (timeoutLeft !== '') head.fields.replacePlain('grpc-timeout', timeoutLeft);
    if (trace !== null) attempt.spanId = trace.beginTry(head.fields);
    attempt.send(
      {
        exchange,
        path: exchange.rewrittenTarget || pathForTarget(route, head) + queryForTarget(route, head),
        authority: keepsHost ? head.fields.host : target.authority,
        target,
        hidesHost: !keepsHost,
        isPeerTrusted: head.isPeerTrusted,
        addsVia: via.inRequests,
        body: tunnel === null ? this.bodyOf(exchange) : tunnel.up,
        tunnelKey: tunnel === null ? '' : tunnel.key,
      },
      isFresh,
    );
  }

  private bodyOf(exchange: Exchange): UpstreamRequest['body'] {
    const { upload } = exchange;
    if (upload.bodyBytes === 0) return null;
    if (upload.isCollected) return upload.collected();
    if (isConversation(exchange)) this.parts.converse(exchange);
    const source = {
      onWanted: () => this.parts.wantBody(exchange),
      giveWindow: (bytes: number) => this.parts.giveWindow(exchange, bytes),
    };
    return upload.streamed(source, mayBeGivenBack(exchange) || isRetriedCall(exchange));
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}

/** Messages of a call of which more are to come, where calls are expected. */
function isConversation(exchange: Exchange): boolean {
  const { grpc, route, upload } = exchange;
  if (grpc === null || grpc.dialect !== DIALECT_GRPC || !grpc.hasTrailers) return false;
  const takesCalls =
    route?.config.filters.grpc !== undefined || upstreamOf(exchange).protocol !== 'http1';
  return takesCalls && upload.bodyBytes === -1 && !upload.isComplete;
}

/** A target over HTTP/2 may say that it has not looked at a request. */
function mayBeGivenBack(exchange: Exchange): boolean {
  return upstreamOf(exchange).protocol !== 'http1';
}

/** Calls have no length that is known before: without their bytes they could not be sent again. */
function isRetriedCall(exchange: Exchange): boolean {
  if (exchange.grpc === null) return false;
  const { attempts, conditions } = upstreamOf(exchange).retry;
  return attempts > 0 && conditions.grpcStatuses.length > 0;
}
