/**
 * Checks what is read of a cluster: that it is something, and that its listeners are there.
 *
 * Thread: any (pure). A part of check-meaning.ts.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig } from '../gateway-config.js';
import { listenerName, listenersOf } from '../references/listener-reference.js';
import { suggestName } from './nearest-name.js';

const PORT_MAX = 65_535;

export function checkKubernetes(
  { kubernetes, listen }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  if (kubernetes === undefined) return;
  const { ingress, gatewayApi } = kubernetes;
  if (ingress === undefined && gatewayApi === undefined && !findings.hasUnder('/kubernetes')) {
    const message = 'needs "ingress", "gatewayApi" or both: nothing is read of the cluster';
    findings.addValue('/kubernetes', message);
  }
  const names = listenersOf(listen).flatMap((one) => (one === undefined ? [] : listenerName(one)));
  for (const [port, name] of Object.entries(gatewayApi?.ports ?? {})) {
    const at = pointerOf('kubernetes', 'gatewayApi', 'ports', port);
    if (Number(port) > PORT_MAX) findings.addKey(at, 'is no port');
    if (name === undefined || names.includes(name) || findings.hasUnder('/listen')) continue;
    const suggestion = suggestName(name, names, 'listener');
    findings.addValue(at, `unknown listener ${findings.quote(at, name)}${suggestion}`);
  }
}
