/**
 * Reads the PROXY protocol header that a proxy sends before the first byte of a connection.
 *
 * Thread: any (pure). Bytes may come in any pieces. Owns what it has of one header: 107 bytes at
 * most, as TLVs are skipped where they arrive.
 *
 *     v1   "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443" CRLF        (at most 107 bytes)
 *     v2   signature (12) │ version and command │ family │ length (2) │ addresses │ TLVs
 *
 * The specification is HAProxy's (proxy-protocol.txt, version 2.2); what it forbids to send is
 * refused. The length of a v2 header is two bytes, so no header has more than 65,551.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress, formatAddress } from '../../base/ip-address.js';

/** Versions that are taken. */
export type ProxyVersions = 'v1' | 'v2' | 'any';

/** The longest line of version 1, with CR and LF. */
const V1_BYTES_MAX = 107;
const V1_START = Buffer.from('PROXY ');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
const VERSION_2 = 2;
const LOCAL = 0;
const PROXY = 1;

/** Bytes of the addresses and ports, by what the family says. */
const V2_ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x21, 36],
  [0x31, 216],
]);
const TCP4 = 0x11;
const TCP6 = 0x21;
const PORT = /^(?:0|[1-9]\d{0,4})$/;
const PORT_MAX = 65_535;
const CR = 13;
const LF = 10;

export class ProxyHeaderReader {
  /** Address of the client; '': the header does not name one, and the socket's own holds. */
  source = '';
  /** Its port; 0: the header does not say it. */
  sourcePort = 0;
  /** Bytes of the last piece that belong to the header. */
  consumed = 0;
  /** What is wrong with the header; '': nothing so far. */
  problem = '';

  private readonly held = Buffer.alloc(V1_BYTES_MAX);
  private heldBytes = 0;
  private version: 0 | 1 | 2 = 0;
  /** Bytes of a v2 header in all; 0: not known yet. */
  private total = 0;
  private seen = 0;

  constructor(private readonly versions: ProxyVersions) {}

  /** Reads a piece. `done`: behind `consumed` bytes of it the client's own bytes begin. */
  read(piece: Uint8Array): 'more' | 'done' | 'wrong' {
    let at = 0;
    let isDone = false;
    while (at < piece.length && !isDone && this.problem === '') {
      const isSkipping = this.total > 0 && this.seen >= this.addressEnd;
      if (isSkipping) at += this.skip(piece.length - at);
      else this.take(piece[at++] ?? 0);
      isDone = this.isComplete;
    }
    this.consumed = at;
    if (this.problem !== '') return 'wrong';
    if (!isDone) return 'more';
    if (this.version === 1) this.readLine();
    return this.problem === '' ? 'done' : 'wrong';
  }

  private get isComplete(): boolean {
    if (this.version === 2) return this.total > 0 && this.seen === this.total;
    return this.heldBytes > 1 && this.held[this.heldBytes - 1] === LF;
  }

  private get addressEnd(): number {
    return Math.min(this.total, V2_HEAD_BYTES + 36);
  }

  private skip(bytes: number): number {
    const skipped = Math.min(bytes, this.total - this.seen);
    this.seen += skipped;
    return skipped;
  }

  private take(byte: number): void {
    if (this.version === 0) this.chooseVersion(byte);
    if (this.problem !== '') return;
    this.held[this.heldBytes++] = byte;
    this.seen += 1;
    if (this.version === 1) this.checkLine(byte);
    else this.checkBinary(byte);
  }

  private chooseVersion(byte: number): void {
    const isFirst = byte === V1_START[0];
    this.version = isFirst ? 1 : 2;
    if (!isFirst && byte !== V2_SIGNATURE[0]) this.problem = 'it does not begin with a header';
    else if (this.versions !== 'any' && this.versions !== `v${this.version}`) {
      this.problem = `the header is version ${this.version}, not ${this.versions.slice(1)}`;
    }
  }

  private checkLine(byte: number): void {
    const { held, heldBytes } = this;
    const start = V1_START[heldBytes - 1];
    const isAfterCr = heldBytes > 1 && held[heldBytes - 2] === CR;
    if (start !== undefined && byte !== start) this.problem = 'it does not begin with a header';
    else if (isAfterCr !== (byte === LF)) this.problem = 'a line that does not end in CR LF';
    else if (byte !== CR && byte !== LF && (byte < 0x20 || byte > 0x7e)) {
      this.problem = 'a byte that no header has';
    } else if (heldBytes === V1_BYTES_MAX && byte !== LF) this.problem = 'the line is too long';
  }

  private checkBinary(byte: number): void {
    const { held, heldBytes } = this;
    const signed = V2_SIGNATURE[heldBytes - 1];
    if (signed !== undefined && byte !== signed) this.problem = 'it does not begin with a header';
    else if (heldBytes === V2_HEAD_BYTES) this.readBinaryHead();
    if (this.problem !== '' || this.total === 0 || heldBytes !== this.addressEnd) return;
    if ((held[12] ?? 0) % 16 === PROXY) this.readAddresses();
  }

  private readBinaryHead(): void {
    const { held } = this;
    const [version, command] = [(held[12] ?? 0) >> 4, (held[12] ?? 0) & 15];
    const length = held.readUInt16BE(14);
    const needed = V2_ADDRESS_BYTES.get(held[13] ?? 0);
    if (version !== VERSION_2) this.problem = `version ${version} of the binary header`;
    else if (command !== LOCAL && command !== PROXY) this.problem = `command ${command}`;
    else if (command === PROXY && needed === undefined) {
      this.problem = `address family 0x${(held[13] ?? 0).toString(16).padStart(2, '0')}`;
    } else if (command === PROXY && length < (needed ?? 0)) {
      this.problem = 'the header is shorter than its addresses';
    }
    this.total = V2_HEAD_BYTES + length;
  }

  private readAddresses(): void {
    const { held } = this;
    const family = held[13];
    if (family === TCP4) {
      this.source = formatAddress(held.subarray(16, 20));
      this.sourcePort = held.readUInt16BE(24);
    } else if (family === TCP6) {
      this.source = formatAddress(held.subarray(16, 32));
      this.sourcePort = held.readUInt16BE(48);
    }
  }

  private readLine(): void {
    const line = this.held.toString('latin1', 0, this.heldBytes - 2);
    const [, family, source = '', target = '', sourcePort = '', targetPort = '', more] =
      line.split(' ');
    // Behind UNKNOWN anything may stand, and says nothing.
    if (family === 'UNKNOWN') return;
    const isAddress = family === 'TCP4' ? isIPv4 : isPlainV6;
    if (family !== 'TCP4' && family !== 'TCP6') this.problem = 'neither TCP4, TCP6 nor UNKNOWN';
    else if (!isAddress(source) || !isAddress(target)) this.problem = 'an address that is none';
    else if (!isPort(sourcePort) || !isPort(targetPort)) this.problem = 'a port that is none';
    else if (more !== undefined) this.problem = 'more than addresses and ports';
    else {
      this.source = canonicalAddress(source);
      this.sourcePort = Number(sourcePort);
    }
  }
}

/** An IPv6 address without a zone, which has no meaning to anybody else. */
function isPlainV6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= PORT_MAX;
}
