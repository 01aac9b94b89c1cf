/**
 * What a request says of the target that it wants: by a hash, or by the cookie that it brings.
 *
 * Thread: worker. The cookie's value is a keyed hash of the target's name: it tells a client
 * nothing, and a client cannot make one. Without a configured secret the key follows from that
 * of the store, so that all gateways have the same, or is that of this process: then clients find a
 * target anew after a restart.
 */
import { createHmac } from 'node:crypto';
import { defined } from '../../base/assert.js';
import { type FieldBlock, field, NO_FIELDS } from '../../base/field-block.js';
import type { HalfSipHash } from '../../base/half-sip-hash.js';
import { hostPort } from '../../base/listener-address.js';
import { byRow } from '../../base/rows.js';
import { NO_PREFERENCE } from '../../channel/coordinator/coordinator-records.js';
import type { TargetSlotView } from '../../channel/coordinator/target-slots.js';
import type {
  CompiledTarget,
  CompiledUpstream,
  GatewaySettings,
  HashSource,
} from '../../config/compiled-config.js';
import { deriveKey } from '../../filters/authentication/sealed-text.js';
import type { Exchange } from '../exchange/exchange.js';

/** Hexadecimal: 128 bits. */
const VALUE_DIGITS = 32;

interface StickyTargets {
  readonly upstream: CompiledUpstream;
  readonly cookie: string;
  /** What follows the value in Set-Cookie. */
  readonly attributes: string;
  readonly key: string | Uint8Array;
  /** Who is in its rows changes. */
  readonly hasSlots: boolean;
  /** Of target-slots.ts, when the values were made; NaN: they were not. */
  serial: number;
  /** Cookie values by position; '': nobody is there. */
  values: readonly string[];
}

export class TargetPreference {
  /** For cookies that have no secret of their own. */
  private commonKey: Uint8Array = new Uint8Array();
  /** By upstream; null: no cookie. */
  private readonly sticky: (StickyTargets | null)[] = [];

  constructor(
    config: GatewaySettings,
    private readonly hash: HalfSipHash,
    private readonly slots: TargetSlotView,
  ) {
    this.adopt(config);
  }

  /** What this configuration says of its upstreams holds from now on. */
  adopt(config: GatewaySettings): void {
    const storeSecret = config.store?.secret ?? '';
    this.commonKey =
      storeSecret === '' ? this.processKey() : deriveKey(storeSecret, 'sticky cookies');
    const targets = byRow(config.targets);
    for (const upstream of config.upstreams) {
      this.sticky[upstream.index] = this.stickyTargets(upstream, targets);
    }
  }

  /** Reads the request: sets the exchange's balanceHash and preferredTarget. */
  look(exchange: Exchange, upstream: CompiledUpstream): void {
    const { policy, hashOn } = upstream.loadBalancing;
    if (policy === 'consistentHash') {
      this.hash.hash(hashText(exchange, hashOn));
      exchange.admission.onBalanceHash(this.hash.low);
    }
    const sticky = this.stickyOf(upstream);
    if (sticky === null) {
      // What the upstream before this one has set, if there was one, means nothing here.
      const { preferredTarget } = exchange.admission;
      if (preferredTarget !== NO_PREFERENCE) exchange.admission.onPreference(NO_PREFERENCE);
      return;
    }
    const value = cookieValue(exchange.fields.value('cookie'), sticky.cookie);
    // A value that no target has, of another process or made up, is as good as none.
    const position = value === '' ? NO_PREFERENCE : sticky.values.indexOf(value);
    exchange.admission.onPreference(position);
  }

  /** The field that keeps the client at the target of its reply, if there must be one. */
  cookieField(exchange: Exchange): FieldBlock {
    const upstream = exchange.route?.upstream ?? null;
    const sticky = upstream === null ? null : this.stickyOf(upstream);
    if (upstream === null || sticky === null) return NO_FIELDS;
    // Values are those of the configuration in force, in which places may be other ones.
    const position = sticky.upstream.targetIndexes.indexOf(exchange.targetIndex);
    if (position === -1 || position === exchange.admission.preferredTarget) return NO_FIELDS;
    const value = sticky.values[position] ?? '';
    if (value === '') return NO_FIELDS;
    const cookie = `${sticky.cookie}=${value}${sticky.attributes}`;
    return field('Set-Cookie', cookie);
  }

  private stickyTargets(
    upstream: CompiledUpstream,
    targets: readonly (CompiledTarget | undefined)[],
  ): StickyTargets | null {
    const { stickyCookie } = upstream.loadBalancing;
    if (stickyCookie === null) return null;
    const { name, maxAgeSeconds, secret } = stickyCookie;
    const key = secret === '' ? this.commonKey : secret;
    const maxAge = maxAgeSeconds === 0 ? '' : `; Max-Age=${maxAgeSeconds}`;
    const listed = upstream.targetIndexes.map((index) =>
      defined(targets[index], 'the target of an upstream'),
    );
    const hasSlots = listed.some(({ isSlot }) => isSlot);
    return {
      upstream,
      cookie: name,
      attributes: `; Path=/; HttpOnly; SameSite=Lax${maxAge}`,
      key,
      hasSlots,
      serial: Number.NaN,
      values: hasSlots ? [] : listed.map(({ hostPort }) => cookieFor(key, upstream, hostPort)),
    };
  }

  /** With the values of the targets that are there now. */
  private stickyOf(upstream: CompiledUpstream): StickyTargets | null {
    const sticky = this.sticky[upstream.index] ?? null;
    if (sticky === null || !sticky.hasSlots) return sticky;
    const { serial } = this.slots;
    if (serial === sticky.serial) return sticky;
    sticky.serial = serial;
    sticky.values = sticky.upstream.targetIndexes.map((row) => {
      const found = this.slots.read(row);
      if (found === null) return '';
      return cookieFor(sticky.key, sticky.upstream, hostPort(found.host, found.port));
    });
    return sticky;
  }

  /** The same for all workers of this process. */
  private processKey(): Uint8Array {
    this.hash.hash('sticky cookies');
    return new Uint8Array(Int32Array.of(this.hash.high, this.hash.low).buffer);
  }
}

function cookieFor(key: string | Uint8Array, { name }: CompiledUpstream, address: string): string {
  const mac = createHmac('sha256', key).update(`${name}\n${address}`);
  return mac.digest('hex').slice(0, VALUE_DIGITS);
}

function hashText(exchange: Exchange, source: HashSource): string {
  switch (source.kind) {
    case 'path':
      return `p${exchange.path}`;
    case 'header': {
      const value = exchange.fields.value(source.name);
      return value === '' ? `i${exchange.clientIp}` : `h${value}`;
    }
    case 'cookie': {
      const value = cookieValue(exchange.fields.value('cookie'), source.name);
      return value === '' ? `i${exchange.clientIp}` : `c${value}`;
    }
    default:
      return `i${exchange.clientIp}`;
  }
}

/** The value of the first cookie of this name (RFC 6265 5.4), or ''. */
export function cookieValue(field: string, name: string): string {
  let start = 0;
  while (start < field.length) {
    const semicolon = field.indexOf(';', start);
    const end = semicolon === -1 ? field.length : semicolon;
    const equals = field.indexOf('=', start);
    if (equals !== -1 && equals < end && field.slice(start, equals).trim() === name) {
      return field.slice(equals + 1, end).trim();
    }
    start = end + 1;
  }
  return '';
}
