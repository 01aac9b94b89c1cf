/**
 * The names and meanings of metrics, in one table. The list of counters is in
 * observability/counters.ts.
 *
 * Thread: any (pure). Names follow the conventions of Prometheus: `gateway_<area>_<noun>_<unit>`,
 * seconds and bytes, counters end in `_total`.
 */
import {
  CACHE_RESULTS,
  type COUNTERS,
  METHOD_CLASSES,
  STATUS_CLASSES,
} from '../observability/counters.js';
import type { FamilyHead } from '../observability/prometheus-text.js';

/** Counters that /metrics shows as one sum over all threads. */
export type SummedCounter = Exclude<
  keyof typeof COUNTERS,
  | 'laneRecords'
  | 'laneWakes'
  | 'cutGoodReplies'
  | 'loopActiveMs'
  | 'heapUsedBytes'
  | 'droppedLogLines'
  | 'cacheMisses'
  | 'cacheBypassed'
>;

export const SUMMED_FAMILIES: Readonly<Record<SummedCounter, FamilyHead>> = {
  sampledRequests: head('sampled_requests_total', 'Requests whose spans are exported.'),
  clientAborts: head('client_aborts_total', 'Clients that left before their reply was complete.'),
  cutReplies: head('cut_replies_total', 'Replies that had begun and could not be completed.'),
  staleRetries: head(
    'upstream_stale_retries_total',
    'Tries sent again because a kept-alive connection proved to be closed.',
  ),
  upstreamConnects: head('upstream_connects_total', 'Connections opened to targets.'),
  coordinatorAsks: head('coordinator_asks_sent_total', 'Questions of workers to the coordinator.'),
  grantedAdmissions: head('granted_admissions_total', 'Admissions decided under a grant.'),
  repeatedRefusals: head(
    'repeated_refusals_total',
    'Refusals by an earlier verdict of the coordinator, without a question.',
  ),
  askTimeouts: head('coordinator_ask_timeouts_total', 'Questions that got no answer in time.'),
  droppedFields: head(
    'request_fields_dropped_total',
    'Fields of requests that were dropped for an underscore in their names.',
  ),
  filterErrors: head('filter_errors_total', 'Requests that ended with 500 because a filter threw.'),
  filterReplies: head('filter_replies_total', 'Requests that a filter refused or answered.'),
  droppedTells: head(
    'coordinator_dropped_tells_total',
    'Outcomes that the coordinator was not told because it was down for long.',
  ),
  uncompressedReplies: head(
    'uncompressed_replies_total',
    'Replies that went out as they were, since too many others were being compressed.',
  ),
  cacheHits: head('cache_hits_total', 'Replies from memory that were fresh.'),
  cacheStale: head('cache_stale_replies_total', 'Replies from memory that were stale.'),
  cacheRevalidated: head(
    'cache_revalidated_total',
    'Replies from memory after their targets had said that they are still good.',
  ),
  cacheCollapsed: head(
    'cache_collapsed_total',
    'Requests that waited for what another one fetched.',
  ),
  cacheStored: head('cache_stored_total', 'Replies that were stored.'),
  cacheEvicted: head('cache_evicted_total', 'Stored replies that went to make room for others.'),
  cacheBytes: head('cache_served_bytes_total', 'Bytes of bodies that went out from memory.'),
  cacheRefreshes: head(
    'cache_refreshes_total',
    'Requests that the gateway made of itself to bring stored replies up to date.',
  ),
  cacheRefreshFailures: head(
    'cache_refresh_failures_total',
    'Such requests that brought no good reply: what is stored stays.',
  ),
  faultDelays: head('fault_delays_total', 'Requests that `faults` of a route have delayed.'),
  faultAborts: head('fault_aborts_total', 'Requests that `faults` of a route have refused.'),
  cacheForms: head(
    'cache_precompressed_total',
    'Replies from memory whose compressed body was stored as well.',
  ),
  openAdmissions: head(
    'open_admissions_total',
    'Requests admitted without limits while the coordinator was lost.',
  ),
};

export const FAMILIES = {
  build: head('build_info', 'Version of the gateway and of Node.js; the value is 1.'),
  uptime: head('uptime_seconds', 'Seconds since the gateway was created.'),
  epoch: head('config_epoch', 'Version of the configuration, raised by each reload.'),
  reloads: head('config_reloads_total', 'Reloads by outcome: applied, refused.'),
  lastReload: head(
    'config_last_reload_successful',
    '0 after a reload that was refused: what is in force is older than what was asked for.',
  ),
  requests: head(
    'requests_total',
    `Requests by route, method class (${METHOD_CLASSES.join(', ')}) and status class ` +
      `(${STATUS_CLASSES[0]} to ${STATUS_CLASSES.at(-1)}); 4xx: also a client that left.`,
  ),
  duration: head(
    'request_duration_seconds',
    'From the head of the request to the end of the reply.',
  ),
  eventStreamsOpen: head('event_streams_open', 'Event streams that are open, by route.'),
  eventStreams: head('event_streams_total', 'Replies that were event streams, by route.'),
  webSocketsOpen: head('websockets_open', 'WebSockets that are open, by route.'),
  webSockets: head('websockets_total', 'WebSockets that were opened, by route.'),
  webSocketMessages: head(
    'websocket_messages_total',
    'Messages that have begun, by route and direction: up is from the client.',
  ),
  webSocketBytes: head('websocket_bytes_total', 'Bytes of frames, by route and direction.'),
  webSocketCloses: head(
    'websocket_closes_total',
    'WebSockets that have ended, by route and code of the Close; 1006: there was none.',
  ),
  compressedReplies: head('compressed_replies_total', 'Replies that were compressed, by coding.'),
  compressionInput: head(
    'compression_input_bytes_total',
    'Bytes of bodies before they were compressed, by coding.',
  ),
  compressionOutput: head(
    'compression_output_bytes_total',
    'Bytes of the same bodies as they went out.',
  ),
  cacheRequests: head(
    'cache_requests_total',
    `Requests of routes with a cache, by route and result (${CACHE_RESULTS.join(', ')}).`,
  ),
  cacheWaits: head(
    'cache_collapsed_requests_total',
    'Those of them that waited for what another one fetched, by route.',
  ),
  cacheMisses: head(
    'cache_misses_total',
    'Requests that nothing stored has answered, by the reason for which a target was asked.',
  ),
  cacheBypassed: head(
    'cache_bypassed_total',
    'Requests of routes with a cache that it does not concern, by reason.',
  ),
  cacheNotStored: head(
    'cache_not_stored_total',
    'Replies of targets that were not stored, by reason.',
  ),
  cacheEntries: head('cache_entries', 'Stored replies, by the lane whose worker has stored them.'),
  cacheHeld: head('cache_held_bytes', 'Bytes of stored replies with their fields, by lane.'),
  cacheLimit: head('cache_limit_bytes', 'Bytes that stored replies may take, by lane.'),
  inFlight: head('in_flight_requests', 'Requests started and not finished.'),
  connections: head('connections_open', 'Open client connections.'),
  connectionsRefused: head(
    'connections_refused_total',
    'Connections closed at once, by reason: in_all, of_address (there were too many of these).',
  ),
  moved: head(
    'moved_requests_total',
    'Requests that went on with another worker after their first worker had died.',
  ),
  concurrencyLimit: head(
    'upstream_concurrency_limit',
    'Limit on the requests in flight at an upstream whose concurrency is adapted; 0: none yet.',
  ),
  concurrencyInFlight: head(
    'upstream_concurrency_in_flight',
    'Requests that count against the adapted limit.',
  ),
  problems: head('local_replies_total', 'Replies that the gateway made itself, by code and part.'),
  tries: head('upstream_tries_total', 'Tries at a target, retries and hedges included.'),
  tryFailures: head('upstream_try_failures_total', 'Tries that the breaker counts as failures.'),
  connectFailures: head('upstream_connect_failures_total', 'Tries that got no connection.'),
  timeouts: head('upstream_timeouts_total', 'Tries that took too long.'),
  latency: head(
    'upstream_response_duration_seconds',
    'From the beginning of a try to the head of its reply.',
  ),
  grpcCalls: head(
    'grpc_calls_total',
    'Calls of gRPC that have ended, by service, method and status; `_other` are methods that no ' +
      'target has, or that are more than 127.',
  ),
  retries: head('upstream_retries_total', 'Tries after a failed one.'),
  hedges: head('upstream_hedges_total', 'Second tries beside a slow first one.'),
  budgetExhausted: head(
    'upstream_retry_budget_exhausted_total',
    'Retries and hedges that were not made because the budget was used up.',
  ),
  targetInFlight: head('target_in_flight_tries', 'Tries at a target that have not ended.'),
  breakerState: head('target_breaker_state', 'Breaker: 0 closed, 1 half-open, 2 open.'),
  breakerOpens: head('target_breaker_opens_total', 'Times that the breaker opened.'),
  healthy: head('target_healthy', '0 while the health check fails.'),
  ejected: head('target_ejected', '1 while the target is out for too many errors.'),
  nameAddresses: head('target_name_addresses', 'Addresses of a host name that are targets.'),
  nameFailing: head('target_name_failing', '1 while a host name cannot be looked up.'),
  discoveryTargets: head('discovery_targets', 'Targets in use that a source has named.'),
  discoveryWaiting: head('discovery_targets_waiting', 'Targets found that have no room.'),
  discoveryChanges: head('discovery_changes_total', 'Changes of the targets of an upstream.'),
  discoveryErrors: head('discovery_errors_total', 'Times that a source could not be asked.'),
  discoveryHolding: head('discovery_holding', '1 while a sudden loss is not believed yet.'),
  discoveryAge: head(
    'discovery_last_success_age_seconds',
    'Time since a source last named its targets; -1: it never has.',
  ),
  turnedAway: head(
    'connections_turned_away_total',
    'Connections of a listener that were closed before their first request or given up, by reason.',
  ),
  http2Mistakes: head(
    'http2_mistakes_total',
    'Streams of HTTP/2 that were refused, and connections that were ended, for a mistake of the ' +
      'client or a flood, by reason.',
  ),
  http2Connections: head(
    'http2_connections',
    'Open connections of a listener that speak HTTP/2, as of the last half second.',
  ),
  http2Streams: head('http2_streams', 'Requests and tunnels that are open on them.'),
  tlsHandshakes: head('tls_handshakes_total', 'TLS handshakes of a listener, by outcome.'),
  certificateExpiry: head(
    'certificate_expiry_timestamp_seconds',
    'When the certificate of a name expires, in seconds since 1970.',
  ),
  certificateRefused: head(
    'certificate_refused_total',
    'Changes of files of TLS that were refused: the old ones stay in use.',
  ),
  acmeOrders: head('acme_orders_total', 'Orders of certificates by ACME, by outcome.'),
  spiffeAgentUp: head('spiffe_agent_up', 'Whether the agent of SPIFFE answers: 1 or 0.'),
  spiffeSecondsLeft: head(
    'spiffe_svid_seconds_left',
    "Seconds until the gateway's own SVID expires; 0: there is none.",
  ),
  spiffeRotations: head('spiffe_svid_rotations_total', 'Times that the SVID was renewed.'),
  spiffeFailures: head(
    'spiffe_failures_total',
    'What went wrong with the agent of SPIFFE, by kind: lost, refused (a message), denied.',
  ),
  limiterAdmitted: head('limiter_admitted_total', 'Admissions taken of a limit.'),
  limiterRefused: head('limiter_refused_total', 'Requests refused by a limit.'),
  limiterShadow: head(
    'limiter_shadow_refused_total',
    'Requests that a limit in shadow mode would refuse.',
  ),
  limiterKeys: head('limiter_tracked_keys', 'Keys that a limit keeps a row of.'),
  limiterEvictions: head(
    'limiter_evictions_total',
    'Rows taken from keys that had used some of their limit.',
  ),
  limiterNewKeys: head('limiter_refused_new_keys_total', 'New keys that found no row.'),
  limitCostReserved: head(
    'limit_cost_reserved_total',
    'Reserved for requests whose cost replies tell, in units of the limit.',
  ),
  limitCostSettled: head(
    'limit_cost_settled_total',
    'What requests have cost that have ended: as told, or their reserve.',
  ),
  limitCostUnknown: head(
    'limit_cost_unknown_total',
    'Requests that have cost their reserve, as nobody told what they cost.',
  ),
  splitShare: head(
    'split_new_side_ratio',
    'Part of the requests of a route that the new side of a split gets, from 0 to 1.',
  ),
  splitPhase: head(
    'split_phase',
    'How a split stands: 1 growing, 2 held, 3 reached its share, 4 taken back.',
  ),
  mirrorRequests: head(
    'mirror_requests_total',
    'Copies of requests by outcome: copied, of them failed and compared; dropped, skipped.',
  ),
  mirrorDifferences: head(
    'mirror_differences_total',
    'Replies to copies that differ from what the client got, by part.',
  ),
  fallbacks: head(
    'fallbacks_total',
    'Requests that went on to this upstream, since those before it had failed.',
  ),
  noFallbacks: head(
    'fallbacks_refused_total',
    'Requests that their upstream has failed at, and that must not be sent to another one.',
  ),
  splitBacks: head('split_taken_back_total', 'Times that a guard has taken a split back.'),
  coordinatorEvents: head('coordinator_events_total', 'Actions of the coordinator, by kind.'),
  coordinatorKeys: head('coordinator_tracked_keys', 'Rows of all limits in use.'),
  coordinatorBeat: head(
    'coordinator_beat_age_seconds',
    "Seconds since the coordinator's last heartbeat.",
  ),
  coordinatorDeaths: head('coordinator_deaths_total', 'Coordinators that died.'),
  storeUp: head('store_up', '1 while the store that gateways share can be used.'),
  storeFollowing: head('store_following', '1 while the gateway hears what the others tell.'),
  storeNodes: head('store_gateways', 'Gateways that share the store, as last counted.'),
  storeEvents: head('store_events_total', 'What happened between the gateway and the store.'),
  storeDeaths: head('store_thread_deaths_total', 'Threads of the store that died.'),
  workerDeaths: head('worker_deaths_total', 'Workers that died, by lane.'),
  acceptorDeaths: head('acceptor_deaths_total', 'Acceptors that died.'),
  acceptorResting: head(
    'acceptor_resting',
    '1 while an acceptor has died again and again, and is started again later.',
  ),
  connectionsLost: head(
    'connections_lost_total',
    'Client connections that ended with the thread of their acceptor.',
  ),
  laneServed: head('lane_served', '1 while a worker serves the lane.'),
  laneInFlight: head('lane_in_flight_requests', 'Requests that a lane has not answered.'),
  laneBytes: head('lane_ring_used_bytes', 'Depth of a ring: bytes written and not read.'),
  laneBacklog: head('lane_backlog_bytes', 'Bytes that wait for room in the ring to the worker.'),
  laneBlocks: head('lane_body_blocks', 'Blocks of memory that hold long replies.'),
  laneRecords: head('lane_records_total', 'Records read from a ring.'),
  laneWakes: head('lane_wakes_total', 'Times that the reading end was woken.'),
  laneStale: head('lane_stale_records_total', 'Records that came for an ended exchange.'),
  loopDelay: head(
    'thread_event_loop_delay_seconds',
    'How much later than due a timer of the thread ran.',
  ),
  loopActive: head('thread_event_loop_active_seconds_total', 'Time that the event loop worked.'),
  heap: head('thread_heap_used_bytes', 'JavaScript heap of the thread in use.'),
  logDropped: head('log_dropped_lines_total', 'Log lines that were lost.'),
} as const;

/** Of a configuration that comes out of a store. */
export const STORE_FAMILIES = {
  release: head(
    'config_release_info',
    'The release in force: its ID, the provider of the store, and whether it is the copy on disk.',
  ),
  age: head('config_store_age_seconds', 'Time since the store of the configuration was read last.'),
  refused: head('config_refused_documents', 'Documents of the store that are refused now.'),
} as const;

/** Names that are the same in every exporter. */
export const PROCESS_FAMILIES = {
  resident: { name: 'process_resident_memory_bytes', help: 'Resident memory of the process.' },
  cpu: { name: 'process_cpu_seconds_total', help: 'User and system time of the process.' },
  start: { name: 'process_start_time_seconds', help: 'Unix time at which the process started.' },
} as const;

function head(name: string, help: string): FamilyHead {
  return { name: `gateway_${name}`, help };
}
