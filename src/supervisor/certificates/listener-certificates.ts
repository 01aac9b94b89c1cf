/**
 * Certificates of listeners, wherever they come from: files and ACME.
 *
 * Thread: supervisor (on the main thread). Puts both together for the gateway.
 */
import type { Logger } from 'pino';
import type { Clock, Random } from '../../base/clock.js';
import type { AcceptorNotice } from '../../channel/acceptor/acceptor-notice.js';
import type { GatewaySettings } from '../../config/compiled-config.js';
import type { CertificatesStatus } from '../../observability/gateway-status.js';
import { AcmeCertificates } from './acme-certificates.js';
import { Certificates } from './certificates.js';

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

  constructor({ logger, clock, random, tell }: ListenerCertificatesOptions) {
    this.files = new Certificates({
      ...{ logger, clock },
      tell: (listener, material) => tell({ kind: 'tls', listener, material }),
    });
    this.acme = new AcmeCertificates({
      ...{ logger, clock, random },
      show: (listener, further) => this.files.setFurther(listener, further),
      tellAnswers: (answers) => tell({ kind: 'acme', answers }),
    });
  }

  /** Resolves when the acceptors have all that there is for these listeners. Never rejects. */
  async adopt({ listeners, stateDir }: Pick<GatewaySettings, 'listeners' | 'stateDir'>) {
    await this.files.adopt(listeners);
    await this.acme.adopt(listeners, stateDir);
  }

  status(): CertificatesStatus {
    return { ...this.files.status(), acme: this.acme.figures };
  }

  stop(): void {
    this.files.stop();
    this.acme.stop();
  }
}
