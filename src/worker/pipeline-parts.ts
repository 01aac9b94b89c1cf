/**
 * What the pipeline works with.
 *
 * Thread: worker. Put together in worker-runtime.ts.
 */

import type { RequestIdSource } from '../base/request-id.js';
import type { AdmissionGate } from './admission/admission-gate.js';
import type { CoordinatorClient } from './admission/coordinator-client.js';
import type { HeldRefusals } from './admission/held-refusals.js';
import type { ShareSource } from './admission/route-side.js';
import type { TokenEndpoints } from './answer/token-endpoints.js';
import type { CacheLink } from './cache/cache-link.js';
import type { DeadlineWheel } from './exchange/deadline-wheel.js';
import type { Mirrors } from './mirror/mirrors.js';
import type { RequestPlugins } from './plugins/request-plugins.js';
import type { ReplyPath } from './reply/reply-path.js';
import type { FaultInjection } from './request/fault-injection.js';
import type { FilterRunner } from './request/filter-runner.js';
import type { ExchangeMetrics } from './telemetry/exchange-metrics.js';
import type { RetryLoop } from './tries/retry-loop.js';
import type { Tunnels } from './tunnel/tunnels.js';
import type { Forwarder } from './upstream/forwarder.js';
import type { WorkerEpoch } from './worker-epoch.js';

export interface PipelineParts {
  /** What requests begin under. */
  readonly epochs: { next(): WorkerEpoch };
  readonly requestIds: RequestIdSource;
  readonly filters: FilterRunner;
  readonly plugins: RequestPlugins;
  /** null: there is no token service. */
  readonly tokens: TokenEndpoints | null;
  readonly gate: AdmissionGate;
  readonly rollouts: ShareSource;
  readonly cache: CacheLink;
  readonly coordinator: CoordinatorClient;
  readonly refusals: Pick<HeldRefusals, 'offer'>;
  readonly forwarder: Forwarder;
  readonly tries: RetryLoop;
  readonly mirrors: Mirrors;
  readonly faults: FaultInjection;
  readonly replies: ReplyPath;
  readonly tunnels: Tunnels;
  readonly ledger: ExchangeMetrics;
  readonly wheel: DeadlineWheel;
  nowMs(): number;
  unixMs(): number;
  /** Something was written or asked: publish it at the end of this turn. */
  touch(): void;
  /** An exchange is over, and all that was to be written or asked for it has been. */
  onFinished(): void;
  /** A mistake of ours in handling one request. */
  onError(error: unknown): void;
}
