/**
 * Where the agent of SPIFFE is: `unix:///run/agent.sock` or `tcp://127.0.0.1:8081`.
 *
 * Thread: any (pure). By https://spiffe.io/docs/latest/spiffe-specs/spiffe_workload_endpoint/
 * section 4: nothing else may stand in it, and a host is an address.
 */
import { isIP } from 'node:net';

/** The variable of the environment that names it where the configuration does not. */
export const SPIFFE_ENDPOINT_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET';

/** Why an endpoint that the environment names cannot be used; empty: it can. */
export function endpointLack(endpoint: string): string {
  if (endpoint === '') {
    return `no agent is named: set spiffe.endpoint, or ${SPIFFE_ENDPOINT_VARIABLE}`;
  }
  const parsed = parseSpiffeEndpoint(endpoint);
  return 'problem' in parsed ? `${SPIFFE_ENDPOINT_VARIABLE} ${parsed.problem}` : '';
}

export type SpiffeEndpoint =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

const UNIX = /^unix:(?:\/\/)?(\/[^?#]+)$/;
const TCP = /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/;
const PORT_MAX = 65_535;
/** What the kernel has room for. */
const PATH_BYTES_MAX = 107;

export function parseSpiffeEndpoint(text: string): SpiffeEndpoint | { readonly problem: string } {
  const [, socketPath] = UNIX.exec(text) ?? [];
  if (socketPath !== undefined) {
    if (Buffer.byteLength(socketPath) <= PATH_BYTES_MAX) return { socketPath };
    return { problem: `the path of a socket has at most ${PATH_BYTES_MAX} bytes` };
  }
  const [, six, four, port = ''] = TCP.exec(text) ?? [];
  const host = six ?? four ?? '';
  const isPort = Number(port) > 0 && Number(port) <= PORT_MAX;
  if (isIP(host) !== 0 && isPort) return { host, port: Number(port) };
  return { problem: 'must be unix:///PATH or tcp://ADDRESS:PORT, with an address and not a name' };
}
