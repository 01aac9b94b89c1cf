/**
 * Ends tries, and tells the coordinator what came of them.
 *
 * Thread: worker. Owns nothing.
 * Invariant: each try is settled once, however it ends.
 */
import type { CoordinatorClient } from '../admission/coordinator-client.js';
import { type Exchange, upstreamOf } from '../exchange/exchange.js';
import type { TryInFlight } from '../exchange/try-in-flight.js';
import type { ExchangeMetrics } from '../telemetry/exchange-metrics.js';

export interface TrySettlerParts {
  readonly coordinator: CoordinatorClient;
  readonly ledger: ExchangeMetrics;
  touch(): void;
}

export class TrySettler {
  constructor(private readonly parts: TrySettlerParts) {}

  /** The second time does nothing. */
  settle(exchange: Exchange, attempt: TryInFlight, outcome: number): void {
    if (!attempt.trySettle()) return;
    this.parts.ledger.countTry(exchange, attempt, outcome);
    this.parts.coordinator.settleTry(attempt, upstreamOf(exchange).index, outcome);
    this.parts.touch();
  }

  /**
   * The try has opened a tunnel: for the breaker it is a success now, and in flight it stays until
   * the tunnel ends.
   */
  onTunnel(exchange: Exchange, attempt: TryInFlight): void {
    if (attempt.ticket === 0) return;
    this.parts.coordinator.settleProbe(attempt, upstreamOf(exchange).index);
    attempt.giveUpTicket();
    this.parts.touch();
  }

  /** Ends the try whatever it is in the middle of. */
  end(exchange: Exchange, attempt: TryInFlight, outcome: number): void {
    attempt.abort();
    this.settle(exchange, attempt, outcome);
  }

  /** Ends every try that is in flight, and the wait for another one. */
  endAll(exchange: Exchange, outcome: number): void {
    const { tries } = exchange;
    const { current, hedge } = tries;
    tries.clear();
    tries.endWait();
    this.parts.coordinator.abandon(exchange);
    if (current !== null) this.end(exchange, current, outcome);
    if (hedge !== null) this.end(exchange, hedge, outcome);
  }

  /** The reply that is kept is not needed. Its try was settled when it was kept. */
  dropKept({ tries }: Exchange): void {
    tries.keptReply?.drop();
    tries.keep(null);
  }
}
