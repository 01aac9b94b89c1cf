/**
 * Certificates out of secrets (kubernetes.io/tls), for the names that objects want them for.
 *
 * Thread: supervisor (on the main thread). Owns the pairs that were read: reading one takes a third
 * of a millisecond, and they are looked at again with every change of an object.
 */
import { createHash } from 'node:crypto';
import { sharePem } from '../../channel/tls-material.js';
import { type KubeJson, recordAt, textAt } from '../../config/kubernetes/kube-json.js';
import type { WantedCertificate } from '../../config/kubernetes-settings.js';
import { asciiHost } from '../../config/references/route-match.js';
import { type PairReading, readServerPair } from '../../config/references/server-certificate.js';
import type { LoadedPair } from '../certificates/listener-files.js';

export interface SecretPairsResult {
  readonly pairs: readonly LoadedPair[];
  /** By secret, why it is not used, or not for everything. */
  readonly problems: Readonly<Record<string, string>>;
}

export class SecretPairs {
  private known = new Map<string, PairReading>();

  /** `secretAt`: null, it is not there or cannot be read. */
  pairsFor(
    wanted: readonly WantedCertificate[],
    secretAt: (place: string) => KubeJson | null,
  ): SecretPairsResult {
    const problems: Record<string, string> = {};
    const pairs = new Map<string, LoadedPair>();
    const read = new Map<string, PairReading>();
    for (const { namespace, secret, hosts } of wanted) {
      const place = `${namespace}/${secret}`;
      const object = secretAt(place);
      if (object === null) {
        problems[place] = 'the secret is not there, or cannot be read';
        continue;
      }
      const reading = this.read(object, read);
      if ('problem' in reading) {
        problems[place] = reading.problem;
        continue;
      }
      const names = hosts.length === 0 ? reading.pair.names : hosts;
      const covered = names.filter((name) => isCovered(name, reading.pair.names));
      const other = names.find((name) => !covered.includes(name));
      if (other !== undefined) problems[place] = `the certificate is not for ${other}`;
      if (covered.length === 0) continue;
      pairs.set(`${place} ${covered.join(' ')}`, loadedPair(place, reading.pair, covered));
    }
    this.known = read;
    return { pairs: [...pairs.values()], problems };
  }

  /** Why there is no certificate in it; '': there is. */
  problemOf(object: KubeJson | null): string {
    if (object === null) return 'the secret is not there, or cannot be read';
    const reading = this.read(object, this.known);
    return 'problem' in reading ? reading.problem : '';
  }

  private read(object: KubeJson, read: Map<string, PairReading>): PairReading {
    const data = recordAt(object, 'data');
    const cert = decoded(textAt(data, 'tls.crt'));
    const key = decoded(textAt(data, 'tls.key'));
    if (textAt(object, 'type') !== 'kubernetes.io/tls') {
      return { problem: 'the secret is not of the type kubernetes.io/tls', part: 'cert' };
    }
    const digest = createHash('sha256').update(cert).update('\n').update(key).digest('hex');
    const known = this.known.get(digest) ?? readServerPair({ cert, key, names: [] });
    read.set(digest, known);
    return known;
  }
}

type ReadPair = Extract<PairReading, { readonly pair: unknown }>['pair'];

function loadedPair(place: string, pair: ReadPair, names: readonly string[]): LoadedPair {
  const { id, kind, chain, key, startsAtUnixMs, expiresAtUnixMs } = pair;
  return {
    ...{ id, kind, names, startsAtUnixMs, expiresAtUnixMs },
    source: `secret ${place}`,
    chain: sharePem(chain),
    key: sharePem(key),
    staple: null,
  };
}

function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1');
}

function isCovered(name: string, own: readonly string[]): boolean {
  const ascii = asciiHost(name);
  if (ascii === undefined) return false;
  if (own.includes(ascii)) return true;
  const dot = ascii.indexOf('.');
  return !ascii.startsWith('*.') && dot !== -1 && own.includes(`*${ascii.slice(dot)}`);
}
