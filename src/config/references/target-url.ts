/**
 * The URL of a target, taken apart.
 *
 * Thread: any (pure).
 */

/** The parts of a target's URL that the gateway uses. */
export interface TargetUrl {
  /** scheme://host:port, the port always there. */
  readonly origin: string;
  /** host:port, the port always there; IPv6 in brackets. */
  readonly hostPort: string;
  /** Value of the Host field: the port only where it is not the scheme's own. */
  readonly authority: string;
  readonly tls: boolean;
}

/** A parsed URL, or what is wrong with it. No problem quotes it, since it may hold credentials. */
export type ParsedTargetUrl =
  | { readonly isValid: true; readonly target: TargetUrl }
  | { readonly isValid: false; readonly problem: string };

const SHAPE = /^https?:\/\/[^/?#@\\\s]+\/?$/i;

const BARE_IPV6 = /^https?:\/\/[\da-f]*:[\da-f]*:/i;

/** Parses the URL of a target. */
export function parseTargetUrl(text: string): ParsedTargetUrl {
  const problem = urlProblem(text);
  if (problem !== undefined) return { isValid: false, problem };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined && BARE_IPV6.test(text)) {
    return { isValid: false, problem: 'must have an address of IPv6 in brackets' };
  }
  if (url === undefined && text.includes('%')) {
    return { isValid: false, problem: 'must have no zone (%) in an address of IPv6' };
  }
  if (url === undefined || url.port === '0') {
    return { isValid: false, problem: 'must have a host, and a port from 1 to 65535' };
  }
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? '443' : '80') : url.port;
  const hostPort = `${url.hostname}:${port}`;
  const origin = `${url.protocol}//${hostPort}`;
  return { isValid: true, target: { origin, hostPort, authority: url.host, tls } };
}

/** The host that was written, IPv6 without brackets. */
export function hostOf({ authority }: TargetUrl): string {
  return new URL(`http://${authority}`).hostname.replace(/^\[|\]$/g, '');
}

function urlProblem(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text)) return 'must begin with http:// or https://';
  if (text.includes('@')) return 'must not carry user information';
  if (/[?#]/.test(text)) return 'must not carry a query or a fragment';
  if (/^[^/]+\/\/[^/]+\/+[^/]/.test(text)) {
    return 'must end after the port: routes rewrite paths';
  }
  return SHAPE.test(text) ? undefined : 'must be http://host:port or https://host:port';
}
