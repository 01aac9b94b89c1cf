/**
 * The front of a gateway: what of the main thread takes requests, hands them to lanes, and counts
 * what it answers itself.
 *
 * Thread: acceptor. Owns the acceptor, the dispatcher, and this thread's block of counters.
 */
import { randomBytes } from 'node:crypto';
import { Acceptor } from './acceptor/acceptor.js';
import type { CreateEngine } from './acceptor/client-engine.js';
import type { ConnectionRule } from './acceptor/connection-caps.js';
import { connectionRule } from './acceptor/connection-rule.js';
import { dispatchRule } from './acceptor/dispatch-rule.js';
import { LaneDispatcher } from './acceptor/lane-dispatcher.js';
import { LocalReplyMetrics } from './acceptor/local-reply-metrics.js';
import type { Clock, Random } from './base/clock.js';
import type { FieldBlock } from './base/field-block.js';
import { RequestIdSource } from './base/request-id.js';
import { allocateCounters, CounterBlock, refusalRingOffset } from './channel/counter-block.js';
import { RefusalRingWriter } from './channel/refusal-ring.js';
import type { ServedConfig, SharedSettings } from './config/shared/shared-config.js';
import { createAccessLog } from './observability/access-log.js';
import { counterCount } from './observability/counters.js';
import { openFilesMax } from './observability/kernel-facts.js';
import type { ThreadLogger } from './observability/logger.js';
import { ThreadMeter } from './observability/thread-meter.js';
import { RefusalFields } from './refusal-fields.js';

export interface FrontOptions {
  readonly config: SharedSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ThreadLogger;
  readonly createEngine: CreateEngine;
  /** What is in force now; called for requests, not before. */
  servedConfig(): ServedConfig;
}

export class GatewayFront {
  readonly acceptor: Acceptor;
  readonly dispatcher: LaneDispatcher;
  /** Figures of this thread. */
  readonly counters: SharedArrayBuffer;

  private config: SharedSettings;
  private readonly localReplies: LocalReplyMetrics;
  private readonly meter: ThreadMeter;
  private refusals: RefusalFields | null = null;

  constructor(private readonly options: FrontOptions) {
    const { config, clock, random, log, createEngine } = options;
    const onError = (error: unknown): void => log.logger.error({ err: error }, 'internal error');
    this.config = config;
    this.counters = allocateCounters(counterCount(config.capacity));
    this.dispatcher = new LaneDispatcher(config.workers, dispatchRule(config), onError, clock);
    this.tellPressure();
    const counters = new CounterBlock(this.counters);
    this.meter = new ThreadMeter(clock, counters, log.dropped);
    const offset = refusalRingOffset(counterCount(config.capacity));
    this.localReplies = new LocalReplyMetrics(
      clock,
      counters,
      new RefusalRingWriter(this.counters, offset),
      createAccessLog(log, config.logging, random),
    );
    this.acceptor = new Acceptor({
      createEngine,
      clock,
      config,
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource(randomBytes(6).toString('hex')),
      connections: this.connectionRule(),
      onAddressFull: (network) => this.warnOfAddress(network),
      fieldsOfRefusal: (method, target, text) => this.fieldsOfRefusal(method, target, text),
      onLocalReply: (record) => this.localReplies.close(record),
      onError,
    });
  }

  /** Requests that begin from now on do so under this configuration. */
  adopt(config: SharedSettings): void {
    const { log, random } = this.options;
    this.config = config;
    this.localReplies.adopt(createAccessLog(log, config.logging, random));
    this.acceptor.adopt(config, connectionRule(config, openFilesMax()));
    this.tellPressure();
  }

  /** Closes every connection at once. */
  close(): void {
    this.acceptor.close();
    this.meter.stop();
  }

  private fieldsOfRefusal(method: string, target: string, text: string): FieldBlock {
    const config = this.options.servedConfig();
    if (this.refusals?.config !== config) this.refusals = new RefusalFields(config);
    return this.refusals.fieldsFor(method, target, text);
  }

  private tellPressure(): void {
    this.dispatcher.isPressureTold = this.config.facts.hasPriorities;
  }

  private connectionRule(): ConnectionRule {
    const rule = connectionRule(this.config, openFilesMax());
    const { connectionsMax } = rule;
    if (connectionsMax < this.config.limits.connections) {
      const message = 'fewer connections than limits.connections: raise ulimit -n';
      this.options.log.logger.warn({ connectionsMax }, message);
    }
    return rule;
  }

  private warnOfAddress(network: string): void {
    const { connectionsPerAddress } = this.config.limits;
    this.options.log.logger.warn(
      { address: network, connectionsPerAddress },
      'a client address reached its limit of connections; a proxy belongs in trustedProxies',
    );
  }
}
