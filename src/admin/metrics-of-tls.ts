/**
 * Metrics of TLS with clients (handshakes, and when certificates expire), and of the gateway's own
 * identity.
 *
 * Thread: supervisor. A part of metrics.ts. Without TLS there are no series.
 */
import { familyText, type Labels } from '../observability/prometheus-text.js';
import type { GatewayViews } from './gateway-views.js';
import { FAMILIES } from './metric-families.js';

/** Names that have a series each; those that expire first go before others. */
const NAMES_MAX = 1000;

export function* tlsPieces(views: GatewayViews): Generator<string> {
  const { listeners, certificates: status } = views.live();
  const handshakes = listeners.flatMap(({ name, handshakes: counts }) =>
    counts.map(([outcome, count]): readonly [Labels, number] => [
      [
        ['listener', name],
        ['outcome', outcome],
      ],
      count,
    ]),
  );
  if (handshakes.length > 0) yield familyText(FAMILIES.tlsHandshakes, 'counter', handshakes);
  const { certificates, refused, acme } = status;
  if (certificates.length === 0 && refused === 0 && acme.ordered + acme.failed === 0) return;
  const byExpiry = [...certificates].sort((a, b) => a.expiresAtUnixMs - b.expiresAtUnixMs);
  const expiries = new Map<string, readonly [Labels, number]>();
  for (const { listener, name, source, expiresAtUnixMs } of byExpiry.slice(0, NAMES_MAX)) {
    const labels: Labels = [
      ['listener', listener],
      ['name', name],
      ['source', source],
    ];
    const key = JSON.stringify(labels);
    if (!expiries.has(key)) expiries.set(key, [labels, expiresAtUnixMs / 1000]);
  }
  yield familyText(FAMILIES.certificateExpiry, 'gauge', [...expiries.values()]);
  yield familyText(FAMILIES.certificateRefused, 'counter', [[[], refused]]);
  yield familyText(FAMILIES.acmeOrders, 'counter', [
    [[['outcome', 'issued']], acme.ordered],
    [[['outcome', 'failed']], acme.failed],
  ]);
}

/** The gateway's own identity (SPIFFE); nothing where none is needed. */
export function* workloadPieces(views: GatewayViews): Generator<string> {
  const { workload } = views.live();
  if (workload === null) return;
  const { isConnected, id, expiresAtUnixMs, rotations, lost, refused, denied } = workload;
  const leftMs = id === '' ? 0 : Math.max(0, expiresAtUnixMs - views.clock.unixMs());
  const kinds = Object.entries({ lost, refused, denied });
  const failures = kinds.map(([kind, count]): readonly [Labels, number] => [
    [['kind', kind]],
    count,
  ]);
  yield familyText(FAMILIES.spiffeAgentUp, 'gauge', [[[], isConnected ? 1 : 0]]);
  yield familyText(FAMILIES.spiffeSecondsLeft, 'gauge', [[[], leftMs / 1000]]);
  yield familyText(FAMILIES.spiffeRotations, 'counter', [[[], rotations]]);
  yield familyText(FAMILIES.spiffeFailures, 'counter', failures);
}
