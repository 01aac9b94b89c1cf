/**
 * The rows of /stats that do not come from shared memory.
 *
 * Thread: any (pure). Users' tools read the keys, so the keys never change.
 */
import type { AcceptorFigures, LaneFigures } from '../channel/acceptor/acceptor-figures.js';
import type { NameStatus, ReloadStatus } from '../observability/gateway-status.js';

export function laneRow(facts: LaneFigures, lane: number): object {
  return {
    lane,
    served: facts.isServed,
    in_flight: facts.inFlight,
    stale_records: facts.staleRecords,
    backlog_bytes: facts.backlogBytes,
    body_blocks: facts.bodyBlocks,
    request_bytes: facts.requestBytes,
    reply_bytes: facts.replyBytes,
    records: facts.records,
    wakes: facts.wakes,
  };
}

export function acceptorRow(figures: AcceptorFigures, acceptor: number): object {
  const { connections } = figures;
  return {
    acceptor,
    serving: figures.isServing,
    thread: figures.osThreadId,
    deaths: figures.deaths,
    lost_connections: figures.lostConnections,
    in_flight: figures.inFlight,
    connections: {
      open: connections.open,
      refused_in_all: connections.refusedInAll,
      refused_of_address: connections.refusedOfAddress,
    },
    moved_requests: figures.movedRequests,
  };
}

export function targetNameRow(facts: NameStatus): object {
  return {
    name: facts.name,
    addresses: facts.addresses,
    left_out: facts.leftOutCount,
    failure: facts.failure,
    age_seconds: facts.ageMs === null ? null : Math.round(facts.ageMs) / 1000,
  };
}

/** Times are ISO 8601. */
export function configurationRow(facts: ReloadStatus): object {
  const { lastReload } = facts;
  return {
    source: facts.source,
    epoch: facts.epoch,
    in_force_since: isoTime(facts.inForceSinceUnixMs),
    epochs_in_use: facts.epochsInUse,
    earlier_versions: facts.earlierVersions,
    reloads: facts.reloads,
    refused_reloads: facts.refusedReloads,
    last_reload:
      lastReload === null
        ? null
        : {
            at: isoTime(lastReload.atUnixMs),
            trigger: lastReload.trigger,
            outcome: lastReload.outcome,
            reasons: lastReload.reasons,
          },
  };
}

function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
