/**
 * Who the gateway is for targets that are workloads (SPIFFE), and who they have to be.
 *
 * Thread: worker, and the main thread for health checks. Owns what the main thread has told last,
 * and the contexts of it: one for each trust domain.
 *
 * Invariant: a context believes the authorities of one trust domain and no others, and whoever is
 * verified by it has to have an ID of that trust domain.
 */
import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { trustDomainOf } from '../../base/spiffe-id.js';
import {
  NO_WORKLOAD,
  type TrustBundle,
  type WorkloadMaterial,
} from '../../channel/workload-material.js';
import type { TargetSpiffe } from '../../config/spiffe-settings.js';
import { readSvidLeaf } from '../../wire/x509/svid-leaf.js';
import { NO_IDENTITY, TargetTlsError, WRONG_SPIFFE_ID } from './tls-failure.js';

export class WorkloadIdentity {
  private material: WorkloadMaterial = NO_WORKLOAD;
  private readonly contexts = new Map<string, SecureContext>();

  /** Connections that are made from now on are made by it. */
  adopt(material: WorkloadMaterial): void {
    this.material = material;
    this.contexts.clear();
  }

  /** Why no target can be reached by these settings now; empty: one can. */
  lackFor(spiffe: TargetSpiffe): string {
    const { svid, lack } = this.material;
    if (svid === null) return `the gateway has no SPIFFE identity now: ${lack}`;
    if (this.bundleFor(spiffe) !== undefined) return '';
    return `the agent gives no bundle of the trust domain ${this.domainOf(spiffe)}`;
  }

  /** What connections by these settings depend on, in one text: another text, other connections. */
  stampFor(spiffe: TargetSpiffe): string {
    const { svid } = this.material;
    const parts = [svid?.chain ?? '', ...(this.bundleFor(spiffe)?.authorities ?? [])];
    return createHash('sha256').update(parts.join()).digest('base64');
  }

  /** @throws TargetTlsError when there is a lack. */
  contextFor(spiffe: TargetSpiffe, minVersion: 'TLSv1.2' | 'TLSv1.3'): SecureContext {
    const key = `${minVersion} ${this.domainOf(spiffe)}`;
    const known = this.contexts.get(key);
    if (known !== undefined) return known;
    const { svid } = this.material;
    const bundle = this.bundleFor(spiffe);
    if (svid === null || bundle === undefined) {
      throw new TargetTlsError(NO_IDENTITY, this.lackFor(spiffe));
    }
    const context = createSecureContext({
      ...{ minVersion, cert: svid.chain, key: svid.key },
      ca: [...bundle.authorities],
      // An authority of a bundle need not be signed by itself.
      allowPartialTrustChain: true,
    });
    this.contexts.set(key, context);
    return context;
  }

  /** Why a target with this certificate (DER), which was verified, is another one; null: it is. */
  mistakeOf(certificate: Buffer, spiffe: TargetSpiffe): TargetTlsError | null {
    const reading = readSvidLeaf(certificate);
    if ('problem' in reading) {
      return new TargetTlsError(WRONG_SPIFFE_ID, `its certificate ${reading.problem}`);
    }
    const { id } = reading;
    const isExpected = spiffe.ids.length === 0 || spiffe.ids.includes(id);
    if (isExpected && trustDomainOf(id) === this.domainOf(spiffe)) return null;
    return new TargetTlsError(WRONG_SPIFFE_ID, `it is ${id}, whom tls.spiffe does not allow`);
  }

  private domainOf({ trustDomain }: TargetSpiffe): string {
    return trustDomain || (this.material.svid?.trustDomain ?? '');
  }

  private bundleFor(spiffe: TargetSpiffe): TrustBundle | undefined {
    const domain = this.domainOf(spiffe);
    return this.material.bundles.find(({ trustDomain }) => trustDomain === domain);
  }
}
