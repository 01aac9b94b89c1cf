/**
 * Makes what asks for targets, by its kind.
 *
 * Thread: supervisor (on the main thread). The one list of sources. Owns the seats at each Consul.
 */
import type { Clock, Random } from '../../base/clock.js';
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { AddressSource, SourceListener } from './address-source.js';
import { AskedSource } from './asked-source.js';
import { ConsulSeats, ConsulTargets } from './consul-source.js';
import { DnsTargets } from './dns-source.js';
import { LOOK_MS, TargetFile } from './file-source.js';
import { askHttp } from './http-source.js';
import { accessTo } from './kube-access.js';
import { KubernetesSource } from './kubernetes-source.js';

/** Whatever has failed, a source is asked again after this time. */
const RETRY_MS_MAX = 30_000;

export class SourceMaker {
  private readonly seats = new ConsulSeats();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  make(source: CompiledSource, listener: SourceListener): AddressSource {
    const { clock, random, seats } = this;
    switch (source.kind) {
      case 'file': {
        const file = new TargetFile(source.path);
        return new AskedSource({ clock, retryMsMax: LOOK_MS, ask: () => file.ask() }, listener);
      }
      case 'http': {
        const ask = (signal: AbortSignal) => askHttp(source, signal);
        return new AskedSource({ clock, retryMsMax: source.intervalMs, ask }, listener);
      }
      case 'dns': {
        const dns = new DnsTargets(source);
        const ask = (signal: AbortSignal) => dns.ask(signal);
        return new AskedSource({ clock, retryMsMax: RETRY_MS_MAX, ask }, listener);
      }
      case 'consul': {
        const consul = new ConsulTargets(source, { clock, seats, random });
        const ask = (signal: AbortSignal, isFresh: boolean) => consul.ask(signal, isFresh);
        return new AskedSource({ clock, retryMsMax: RETRY_MS_MAX, ask }, listener);
      }
      case 'kubernetes': {
        const access = () => accessTo(source, process.env);
        return new KubernetesSource(source, { clock, random, access }, listener);
      }
      default:
        return source satisfies never;
    }
  }
}
