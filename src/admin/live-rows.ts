/**
 * The rows of /stats that do not come from shared memory.
 *
 * Thread: any (pure). Users' tools read the keys, so the keys never change.
 */

import type { StoreOrigin } from '../base/store-origin.js';
import type {
  AcceptorFigures,
  LaneFigures,
  ListenerFigures,
} from '../channel/acceptor/acceptor-figures.js';
import type {
  DiscoveryStatus,
  NameStatus,
  ReloadStatus,
  StoreFigures,
  TrialSide,
  WorkloadStatus,
} from '../observability/gateway-status.js';

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
    resting: figures.isResting,
    thread: figures.osThreadId,
    deaths: figures.deaths,
    lost_connections: figures.lostConnections,
    in_flight: figures.inFlight,
    connections: {
      open: connections.open,
      taken: connections.taken,
      refused_in_all: connections.refusedInAll,
      refused_of_address: connections.refusedOfAddress,
    },
    requests: figures.requests,
    moved_requests: figures.movedRequests,
  };
}

/** HTTP/2 of clients, over all listeners. */
export function http2Row(listeners: readonly ListenerFigures[]): object {
  const mistakes: Record<string, number> = {};
  let [connections, streams] = [0, 0];
  for (const one of listeners) {
    connections += one.http2Connections;
    streams += one.http2Streams;
    for (const [reason, count] of one.mistakes) mistakes[reason] = (mistakes[reason] ?? 0) + count;
  }
  return { connections, streams, mistakes };
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

export function discoveryRow(facts: DiscoveryStatus): object {
  return {
    upstream: facts.upstream,
    source: facts.source,
    targets: facts.targets,
    waiting: facts.waiting,
    leaving: facts.leaving,
    holding: facts.isHolding,
    failure: facts.failure,
    errors: facts.errors,
    changes: facts.changes,
    age_seconds: facts.ageMs === null ? null : Math.round(facts.ageMs) / 1000,
  };
}

/** Times are ISO 8601. */
export function configurationRow(facts: ReloadStatus): object {
  const { lastReload, trial } = facts;
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
    trial:
      trial === null
        ? null
        : {
            epoch: trial.epoch,
            ends_in_ms: trial.endsInMs,
            in_force: trialSideRow(trial.inForce),
            on_trial: trialSideRow(trial.onTrial),
          },
    last_trial: facts.lastTrial,
    ...(facts.origin !== null && { store: originRow(facts.origin) }),
    ...(facts.cluster !== null && { kubernetes: facts.cluster }),
  };
}

function trialSideRow({ requests, errors, p99Ms }: TrialSide): object {
  return { requests, errors, p99_ms: p99Ms };
}

/** What everybody may see of it: /readyz asks for no token. */
export function shortOriginRow({ provider, release, from, ageMs }: StoreOrigin): object {
  return {
    provider,
    release: release === '' ? null : release,
    from,
    age_seconds: ageMs === null ? null : Math.round(ageMs) / 1000,
  };
}

/** Where a configuration out of a store stands. */
function originRow(origin: StoreOrigin): object {
  return {
    provider: origin.provider,
    store: origin.store,
    release: origin.release === '' ? null : origin.release,
    sha256: origin.sha256 === '' ? null : origin.sha256,
    from: origin.from,
    revision: origin.revision,
    age_seconds: origin.ageMs === null ? null : Math.round(origin.ageMs) / 1000,
    trouble: origin.trouble === '' ? null : origin.trouble,
    refused: origin.refused,
    next_try:
      origin.nextTry === null
        ? null
        : { refusals: origin.nextTry.refusals, in_seconds: Math.ceil(origin.nextTry.inMs / 1000) },
    parts: origin.parts,
  };
}

function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** The gateway's own identity (SPIFFE). */
export function workloadRow(facts: WorkloadStatus, nowUnixMs: number): object {
  const { id, expiresAtUnixMs } = facts;
  const isThere = id !== '';
  return {
    endpoint: facts.endpoint,
    agent: facts.isConnected ? 'up' : 'lost',
    failure: facts.failure === '' ? null : facts.failure,
    id: isThere ? id : null,
    expires_at: isThere ? isoTime(expiresAtUnixMs) : null,
    seconds_left: isThere ? Math.round((expiresAtUnixMs - nowUnixMs) / 1000) : 0,
    lack: isThere ? null : facts.lack,
    trust_domains: facts.trustDomains,
    rotations: facts.rotations,
    lost: facts.lost,
    refused_messages: facts.refused,
    denied: facts.denied,
  };
}

/** What everybody may see of it: /readyz asks for no token. */
export function shortWorkloadRow({ id, lack, isConnected }: WorkloadStatus): object {
  return { agent: isConnected ? 'up' : 'lost', id: id === '' ? null : id, lack: lack || null };
}

export function storeRow({ isUp, reason, isFollowing, ...store }: StoreFigures): object {
  const { nodes, deaths, counts } = store;
  return { state: isUp ? 'up' : 'lost', reason, following: isFollowing, nodes, deaths, ...counts };
}
