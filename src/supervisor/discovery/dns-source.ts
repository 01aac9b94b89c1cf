/**
 * Targets from DNS: addresses of a name, or the services that SRV records name (RFC 2782).
 *
 * Thread: supervisor (on the main thread). Owns how often a name was not there in a row: once may
 * be a server that has lost its zone, twice is believed. The next question comes when the first
 * record's time to live is over, be it an alias on the way (CNAME). Names that are not written in
 * full are looked for in the search domains of the system, unless another name server is asked; the
 * hosts file is not read.
 */
import { Resolver } from 'node:dns';
import { networkInterfaces } from 'node:os';
import type { Answer as DnsRecord } from 'dns-packet';
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { FoundTarget } from './address-source.js';
import type { Answer } from './asked-source.js';
import {
  askNameServers,
  type NameAnswer,
  type NameServer,
  plainName,
  type QuestionType,
} from './dns-question.js';
import { readHost } from './read-target-list.js';
import { namesFor, type SearchList, systemSearchList } from './search-domains.js';

/** Between two questions, in seconds, whatever the records say. */
const TTL_MIN = 1;
const TTL_MAX = 300;

const WEIGHT_MAX = 1000;
/** Names that one set of SRV records may lead to. */
const NAMES_MAX = 200;

type DnsSourceSettings = Extract<CompiledSource, { kind: 'dns' }>;

/** What this machine says of names. */
export interface SystemNames {
  servers(): NameServer[];
  search(): Promise<SearchList>;
}

interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export class DnsTargets {
  private missingCount = 0;

  constructor(
    private readonly settings: DnsSourceSettings,
    private readonly system: SystemNames = SYSTEM,
  ) {}

  /** Rejects when no server could be asked, and the first time that the name is not there. */
  async ask(signal: AbortSignal): Promise<Answer> {
    const { type, server } = this.settings;
    const servers = server === null ? this.system.servers() : [server];
    const answer = await this.find(servers, signal);
    const own = answer.answers.filter((record) => record.type === type);
    if (own.length === 0) return this.nothing(answer);
    this.missingCount = 0;
    const { found, ttl } =
      type === 'SRV'
        ? await this.services(answer, servers, signal)
        : { found: this.addresses(own), ttl: leastTtl(answer.answers) };
    return { found, nextMs: inRange(ttl) * 1000 };
  }

  /** The first name that has such a record, or what is said of the last one. */
  private async find(servers: readonly NameServer[], signal: AbortSignal): Promise<NameAnswer> {
    const { name, type, server } = this.settings;
    const list = server === null ? await this.system.search() : null;
    const names = list === null ? [name] : namesFor(name, list);
    let answer = await askNameServers(names[0] ?? name, type, servers, signal);
    for (const other of names.slice(1)) {
      if (answer.answers.some((record) => record.type === type)) break;
      answer = await askNameServers(other, type, servers, signal);
    }
    return answer;
  }

  private nothing({ isUnknown, negativeTtl }: NameAnswer): Answer {
    const { name, type } = this.settings;
    this.missingCount += 1;
    if (this.missingCount === 1) {
      throw new Error(isUnknown ? `${name} does not exist` : `${name} has no ${type} record`);
    }
    return { found: [], nextMs: inRange(negativeTtl) * 1000 };
  }

  private addresses(records: readonly DnsRecord[]): FoundTarget[] {
    const { name, port } = this.settings;
    return records.flatMap((record) => {
      const host = addressIn(record);
      if (host === '') return [];
      return [{ host, port, name: plainName(name), weight: 1, isBackup: false }];
    });
  }

  private async services(
    answer: NameAnswer,
    servers: readonly NameServer[],
    signal: AbortSignal,
  ): Promise<{ found: FoundTarget[]; ttl: number }> {
    const services = servicesIn(answer.answers);
    const known = await new AddressBook(answer.additionals, servers, signal).addressesOf(
      services.map(({ target }) => target),
    );
    const first = Math.min(...services.map(({ priority }) => priority));
    const heaviest = Math.max(1, ...services.map(({ weight }) => weight));
    const found = services.flatMap(({ target, port, priority, weight }) =>
      (known.get(target)?.hosts ?? []).map((host) => ({
        host,
        port,
        name: target,
        weight: scaled(weight, heaviest),
        isBackup: priority > first,
      })),
    );
    const ttls = [...known.values()].map(({ ttl }) => ttl);
    return { found, ttl: Math.min(leastTtl(answer.answers), ...ttls) };
  }
}

interface NameAddresses {
  readonly hosts: readonly string[];
  readonly ttl: number;
}

/** The addresses of the names of SRV records: most servers send them along. */
class AddressBook {
  constructor(
    private readonly additionals: readonly DnsRecord[],
    private readonly servers: readonly NameServer[],
    private readonly signal: AbortSignal,
  ) {}

  async addressesOf(names: readonly string[]): Promise<Map<string, NameAddresses>> {
    const all = [...new Set(names)].slice(0, NAMES_MAX);
    const found = await Promise.all(all.map((name) => this.lookUp(name)));
    return new Map(all.map((name, at) => [name, found[at] ?? { hosts: [], ttl: TTL_MIN }]));
  }

  private async lookUp(name: string): Promise<NameAddresses> {
    const sent = this.additionals.filter((record) => plainName(record.name) === name);
    const hosts = usable(sent);
    if (hosts.length > 0) return { hosts, ttl: leastTtl(sent) };
    const types: QuestionType[] = hasIPv6() ? ['A', 'AAAA'] : ['A'];
    const answers = await Promise.all(
      types.map((type) => askNameServers(name, type, this.servers, this.signal)),
    );
    const records = answers.flatMap((answer) => answer.answers);
    return { hosts: usable(records), ttl: leastTtl(records) };
  }
}

/** Those that a service is offered at: a target of `.` says that it is not (RFC 2782). */
function servicesIn(records: readonly DnsRecord[]): ServiceRecord[] {
  return records.flatMap((record) => {
    if (record.type !== 'SRV') return [];
    const { target, port, priority = 0, weight = 0 } = record.data;
    if (plainName(target) === '' || port === 0) return [];
    return [{ target: readHost(plainName(target), 'SRV'), port, priority, weight }];
  });
}

/** Weights of DNS go to 65535, and one of 0 has a small chance beside others. */
function scaled(weight: number, heaviest: number): number {
  const share = heaviest > WEIGHT_MAX ? Math.round((weight * WEIGHT_MAX) / heaviest) : weight;
  return Math.max(1, share);
}

function usable(records: readonly DnsRecord[]): string[] {
  const hosts = records.map(addressIn).filter((host) => host !== '');
  return [...new Set(hasIPv6() ? hosts : hosts.filter((host) => !host.includes(':')))];
}

/** '': it is no record of an address. */
function addressIn(record: DnsRecord): string {
  return record.type === 'A' || record.type === 'AAAA' ? readHost(record.data, record.type) : '';
}

function leastTtl(records: readonly DnsRecord[]): number {
  return Math.min(TTL_MAX, ...records.map((record) => ('ttl' in record ? (record.ttl ?? 0) : 0)));
}

function inRange(ttl: number): number {
  return Math.min(TTL_MAX, Math.max(TTL_MIN, ttl));
}

/** Whether this machine has an address of IPv6 beside that of the loop. */
function hasIPv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.some(({ family, internal }) => family === 'IPv6' && !internal);
}

function systemServers(): NameServer[] {
  // A new one reads the system's settings again.
  return new Resolver().getServers().map((text) => {
    const match = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
    return { host: match?.[1] ?? text, port: Number(match?.[2] ?? 53) };
  });
}

const SYSTEM: SystemNames = { servers: systemServers, search: systemSearchList };
