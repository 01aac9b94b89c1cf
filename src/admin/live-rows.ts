/**
 * The rows of /stats that do not come from shared memory.
 *
 * Thread: any (pure). Users' tools read the keys, so the keys never change.
 */
import type { ConfigurationFacts, LaneFacts, TargetNameFacts } from './live-figures.js';

export function laneRow(facts: LaneFacts, lane: number): object {
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

export function targetNameRow(facts: TargetNameFacts): object {
  return {
    name: facts.name,
    addresses: facts.addresses,
    left_out: facts.leftOutCount,
    failure: facts.failure,
    age_seconds: facts.ageMs === null ? null : Math.round(facts.ageMs) / 1000,
  };
}

/** Times are ISO 8601. */
export function configurationRow(facts: ConfigurationFacts): object {
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
