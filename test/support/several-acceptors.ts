/** What tests do to gateways with several acceptors. */
import { eventually } from './eventually.js';
import type { GatewayProcess } from './gateway-process.js';

export interface AcceptorRow {
  readonly serving: boolean;
  readonly resting: boolean;
  readonly deaths: number;
  readonly lost_connections: number;
  readonly connections: { readonly open: number };
}

export async function acceptorsOf(gateway: GatewayProcess): Promise<readonly AcceptorRow[]> {
  const { acceptors } = await gateway.stats<{ readonly acceptors: readonly AcceptorRow[] }>();
  return acceptors;
}

/** Makes an acceptor fail, and waits until another one serves in its place. */
export async function replaceAcceptor(
  gateway: GatewayProcess,
  acceptor: number,
  fault: 'crash' | 'hang' | 'exit',
): Promise<void> {
  const before = (await acceptorsOf(gateway))[acceptor]?.deaths ?? 0;
  const url = `${gateway.adminUrl}/chaos/acceptor/${acceptor}/${fault}`;
  const reply = await fetch(url, { method: 'POST' });
  await reply.arrayBuffer();
  if (reply.status !== 202) throw new Error(`the fault was answered with ${reply.status}`);
  await eventually(`acceptor ${acceptor} is back`, async () => {
    const row = (await acceptorsOf(gateway))[acceptor];
    return row !== undefined && row.deaths > before && row.serving;
  });
}
