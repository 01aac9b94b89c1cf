/**
 * Client addresses as text, from the bytes that the socket gives.
 *
 * Thread: any (pure). An IPv4 address in IPv6 form (::ffff:a.b.c.d) is shown as IPv4. The text of
 * IPv6 addresses follows RFC 5952.
 */

/** The text of a 4- or 16-byte address; empty for anything else. */
export function formatAddress(bytes: Uint8Array): string {
  // Hot path (bench/gateway/plain-get), once for every request: join() would take ten times as
  // long.
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) return '';
  return isMappedV4(bytes) ? bytes.subarray(12).join('.') : formatV6(bytes);
}

function isMappedV4(bytes: Uint8Array): boolean {
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function formatV6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  const { start, length } = longestZeroRun(groups);
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, at) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: at - length + 1, length };
  });
  return best;
}

/**
 * The network whose addresses share a limit: the /64 of an IPv6 address, since one customer has at
 * least so large a network, and the IPv4 address itself. Accepts every spelling of an address.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const groups = parseV6(address);
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

/** The one text of an address, which is known to be one and has no zone (RFC 5952). */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  return formatAddress(Uint8Array.from(parseV6(address).flatMap((group) => [group >> 8, group])));
}

function parseV6(address: string): number[] {
  const [text = ''] = address.split('%', 1);
  const [head = '', tail] = text.split('::', 2);
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => 0);
  return [...left, ...zeros, ...right];
}

function parseGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/**
 * The family of a text that is known to be an address. Node's own check costs 50 ms at its first
 * call.
 */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/**
 * The address of a node of X-Forwarded-For or Forwarded, without its port. An IPv4 address in IPv6
 * form (::ffff:a.b.c.d) becomes IPv4, as for a peer.
 */
export function addressOf(node: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(node)?.[1];
  if (bracketed === undefined && node.indexOf(':') === node.lastIndexOf(':')) {
    return node.split(':')[0] ?? '';
  }
  const address = bracketed ?? node;
  return /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address;
}
