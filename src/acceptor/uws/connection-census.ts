/**
 * Asks the kernel which connections to some ports are open.
 *
 * Thread: acceptor. Linux only: reads /proc/net/tcp and tcp6, which have one line of fixed columns
 * for each connection of the machine (or of its container).
 *
 *     "%4d: LOCAL:PORT REMOTE:PORT ST …", addresses in hex, in words of the machine's byte order
 */
import { access, readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { formatAddress } from '../../base/ip-address.js';
import type { ConnectionCensus } from '../connection-caps.js';

const FILES = ['/proc/net/tcp', '/proc/net/tcp6'];
const ESTABLISHED = '01';
const LINE = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):[0-9A-F]{4} ([0-9A-F]{2}) /;

/** null: this system has no such files. */
export async function createConnectionCensus(
  portsOf: () => readonly number[],
): Promise<ConnectionCensus | null> {
  try {
    await Promise.all(FILES.map((file) => access(file)));
  } catch {
    return null;
  }
  return () => readConnections(portsOf());
}

async function readConnections(ports: readonly number[]): Promise<Map<string, number>> {
  const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
  // Most lines are about other ports: a plain search skips them before the columns are read.
  const marks = [...wanted].map((port) => `:${port} `);
  const byHex = new Map<string, number>();
  for (const file of FILES) {
    for (const line of (await readFile(file, 'latin1')).split('\n')) {
      if (!marks.some((mark) => line.includes(mark))) continue;
      const [, localPort = '', remote = '', state] = LINE.exec(line) ?? [];
      if (!wanted.has(localPort) || state !== ESTABLISHED) continue;
      byHex.set(remote, (byHex.get(remote) ?? 0) + 1);
    }
  }
  const counts = new Map<string, number>();
  for (const [hex, count] of byHex) {
    const address = formatAddress(bytesOf(hex));
    counts.set(address, (counts.get(address) ?? 0) + count);
  }
  return counts;
}

/** The bytes of an address in network order. */
function bytesOf(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, 'hex');
  return endianness() === 'LE' ? bytes.swap32() : bytes;
}
