/**
 * Delays and refuses requests on purpose, where a route is configured so.
 *
 * Thread: worker. A request that is delayed waits on the deadline wheel before anything was asked
 * or taken for it: no place of a limit, no target.
 */
import { field } from '../../base/field-block.js';
import type { CompiledFaults } from '../../config/compiled-faults.js';
import { type LocalReply, plainReply } from '../../filters/local-reply.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';

const TEXT = field('Content-Type', 'text/plain');
const BODY = 'This fault was injected by the configuration of the gateway.\n';
const CAUSE = 'fault injected';

export interface FaultInjectionParts {
  readonly wheel: Pick<DeadlineWheel, 'set'>;
  readonly ledger: Pick<ExchangeMetrics, 'countFault'>;
  random(): number;
  nowMs(): number;
}

export class FaultInjection {
  constructor(private readonly parts: FaultInjectionParts) {}

  /** `wait`: {@link onDelayed} is to be called when the deadline of the exchange has passed. */
  begin(exchange: Exchange): 'next' | 'wait' | LocalReply {
    const { faults } = routeOf(exchange).config;
    if (faults === undefined || !isMeant(exchange, faults)) return 'next';
    if (this.parts.random() * 100 >= faults.percent) return 'next';
    if (faults.delayMs === 0) return this.onDelayed(exchange);
    exchange.fault = 'delay';
    this.parts.ledger.countFault('delay');
    this.parts.wheel.set(exchange.deadline, this.parts.nowMs() + faults.delayMs);
    return 'wait';
  }

  /** The delay is over. */
  onDelayed(exchange: Exchange): 'next' | LocalReply {
    const status = routeOf(exchange).config.faults?.status ?? 0;
    if (status === 0) return 'next';
    exchange.fault = exchange.fault === '' ? 'abort' : 'delay and abort';
    this.parts.ledger.countFault('abort');
    return { ...plainReply(status, TEXT, BODY), cause: CAUSE };
  }
}

function isMeant({ fields }: Exchange, { header, value }: CompiledFaults): boolean {
  if (header === '') return true;
  const values = fields.values(header);
  return value === '' ? values.length > 0 : values.includes(value);
}
