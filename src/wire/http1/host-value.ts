/**
 * The value of Host: a name or an address, and a port or none.
 *
 * Thread: any (pure). RFC 9112 3.2: no userinfo, no path, no list.
 */
import { isIPv6 } from 'node:net';
import { areAllIn } from './characters.js';

const HOST_CHARS_MAX = 261;
const PLAIN_NAME_CHARS_MAX = 255;
const COLON = 58;
const BRACKET = 91;

const HOST_BYTES = Uint8Array.from({ length: 256 }, (_, code) =>
  /[A-Za-z0-9._~:[\]%-]/.test(String.fromCharCode(code)) ? 1 : 0,
);

export function isHost(value: string): boolean {
  if (value.length === 0 || value.length > HOST_CHARS_MAX) return false;
  if (!areAllIn(HOST_BYTES, value)) return false;
  const nameEnd = portAt(value);
  const name = value.slice(0, nameEnd);
  const port = value.slice(nameEnd);
  const isName = name.startsWith('[') ? isAddress(name) : isRegName(name);
  return isName && (port === '' || (port.charCodeAt(0) === COLON && isPort(port.slice(1))));
}

/** 1: a letter, a digit, a dot or a hyphen. */
const PLAIN_BYTES = Uint8Array.from({ length: 256 }, (_, code) =>
  /[A-Za-z0-9.-]/.test(String.fromCharCode(code)) ? 1 : 0,
);
/** A longer number is looked at more closely. */
const PLAIN_PORT_DIGITS_MAX = 4;

// Hot path (bench/gateway/plain-get): nearly every Host is one of these, and needs no string.
/** Whether the bytes are a name or an IPv4 address, with a short port or none: surely a host. */
export function isPlainHost(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && PLAIN_BYTES[bytes[at] ?? 0] === 1) at++;
  if (at === start || at - start > PLAIN_NAME_CHARS_MAX) return false;
  if (at === end) return true;
  if (bytes[at] !== COLON || end - at - 1 > PLAIN_PORT_DIGITS_MAX) return false;
  at++;
  while (at < end && isDigit(bytes[at] ?? 0)) at++;
  return at === end;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Where the name ends. */
function portAt(value: string): number {
  if (value.charCodeAt(0) === BRACKET) return value.indexOf(']') + 1;
  const colon = value.indexOf(':');
  return colon === -1 ? value.length : colon;
}

function isRegName(name: string): boolean {
  return name !== '' && !name.includes('[') && !name.includes(']');
}

/** Without a zone, which only the client itself can make sense of. */
function isAddress(bracketed: string): boolean {
  return !bracketed.includes('%') && isIPv6(bracketed.slice(1, -1));
}

function isPort(port: string): boolean {
  if (port.length > 5) return false;
  for (let at = 0; at < port.length; at++) {
    if (!isDigit(port.charCodeAt(at))) return false;
  }
  return Number(port) <= 65535;
}

/** Whether two values name the same host and port; `defaultPort` is that of the scheme. */
export function isSameHost(one: string, other: string, defaultPort: string): boolean {
  return canonical(one, defaultPort) === canonical(other, defaultPort);
}

function canonical(value: string, defaultPort: string): string {
  const nameEnd = portAt(value);
  const port = value.slice(nameEnd + 1);
  const name = value.slice(0, nameEnd).toLowerCase();
  return `${name}:${port === '' ? defaultPort : port}`;
}
