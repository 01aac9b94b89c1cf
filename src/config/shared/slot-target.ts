/**
 * The target in a row that discovery fills.
 *
 * Thread: any (pure).
 */
import { hostPort } from '../../base/listener-address.js';
import type { CompiledTarget } from '../compiled-config.js';

/** Who is in a row: see channel/coordinator/target-slots.ts. */
interface InSlot {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly weight: number;
  readonly isBackup: boolean;
}

/** As if it were written in the configuration. `row`: what the configuration says of the row. */
export function targetInSlot(row: CompiledTarget, found: InSlot): CompiledTarget {
  const { host, port, name, weight, isBackup } = found;
  const address = hostPort(host, port);
  return {
    ...row,
    origin: `${row.tls ? 'https' : 'http'}://${address}`,
    hostPort: address,
    authority: authorityOf(name, port, row.tls),
    serverName: row.serverName === '' ? name : row.serverName,
    weight,
    isBackup,
    isSlot: false,
  };
}

/** The Host field: the port only where it is not the scheme's own (RFC 9110 7.2). */
function authorityOf(name: string, port: number, isTls: boolean): string {
  const full = hostPort(name, port);
  return port === (isTls ? 443 : 80) ? full.slice(0, full.lastIndexOf(':')) : full;
}
