/**
 * Certificates of listeners, wherever they come from: files, ACME and secrets of a cluster.
 *
 * Thread: supervisor (on the main thread). Puts them together for the gateway.
 */
import type { Logger } from 'pino';
import type { Clock, Random } from '../../base/clock.js';
import type { AcceptorNotice } from '../../channel/acceptor/acceptor-notice.js';
import type { WorkloadMaterial } from '../../channel/workload-material.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { CertificatesStatus } from '../../observability/gateway-status.js';
import { AcmeCertificates } from './acme-certificates.js';
import { Certificates, type FurtherPairs } from './certificates.js';
import type { LoadedPair } from './listener-files.js';

const NOTHING_ORDERED: FurtherPairs = { pairs: [], challenges: [] };

export interface ListenerCertificatesOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Hands it to all acceptors, and to those that start later. */
  tell(notice: AcceptorNotice): void;
}

export class ListenerCertificates {
  private readonly files: Certificates;
  private readonly acme: AcmeCertificates;
  /** By listener, what ACME has. */
  private readonly ordered = new Map<number, FurtherPairs>();
  /** For every listener, out of secrets of a cluster. */
  private shared: readonly LoadedPair[] = [];
  private listeners: readonly number[] = [];

  constructor({ logger, clock, random, tell }: ListenerCertificatesOptions) {
    this.files = new Certificates({
      ...{ logger, clock },
      tell: (listener, material) => tell({ kind: 'tls', listener, material }),
    });
    this.acme = new AcmeCertificates({
      ...{ logger, clock, random },
      show: (listener, further) => {
        this.ordered.set(listener, further);
        this.show(listener);
      },
      tellAnswers: (answers) => tell({ kind: 'acme', answers }),
    });
  }

  /** Resolves when the acceptors have all that there is for these listeners. Never rejects. */
  async adopt({ listeners, stateDir }: Pick<GatewaySettings, 'listeners' | 'stateDir'>) {
    this.listeners = listeners.filter(({ tls }) => tls !== null).map(({ index }) => index);
    await this.files.adopt(listeners);
    if (this.shared.length > 0) this.showAll();
    await this.acme.adopt(listeners, stateDir);
  }

  /** Certificates that every listener has beside its own and those of ACME. */
  useShared(pairs: readonly LoadedPair[]): void {
    this.shared = pairs;
    this.showAll();
  }

  /** Listeners with `tls.spiffe` show this, and believe these authorities. */
  useWorkload(material: WorkloadMaterial): void {
    this.files.setWorkload(material);
  }

  status(): CertificatesStatus {
    return { ...this.files.status(), acme: this.acme.figures };
  }

  stop(): void {
    this.files.stop();
    this.acme.stop();
  }

  private showAll(): void {
    for (const listener of this.listeners) this.show(listener);
  }

  private show(listener: number): void {
    const { pairs, challenges } = this.ordered.get(listener) ?? NOTHING_ORDERED;
    this.files.setFurther(listener, { pairs: [...pairs, ...this.shared], challenges });
  }
}
