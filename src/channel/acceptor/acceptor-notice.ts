/**
 * What acceptors learn from the main thread beside their configuration.
 *
 * Thread: any (both ends). A notice replaces an earlier one about the same. An acceptor that starts
 * later gets the newest of each before it opens a listener.
 */
import type { TlsMaterial } from '../tls-material.js';

export type AcceptorNotice =
  /** Certificates and keys of a listener, by its row. */
  | { readonly kind: 'tls'; readonly listener: number; readonly material: TlsMaterial }
  /** Answers for an ACME server, by token; those of earlier notices are void. */
  | { readonly kind: 'acme'; readonly answers: ReadonlyMap<string, string> };

/** The newest notices, by what they are about. */
export class NewestNotices {
  private readonly byTopic = new Map<string, AcceptorNotice>();

  add(notice: AcceptorNotice): void {
    const topic = notice.kind === 'tls' ? `tls ${notice.listener}` : notice.kind;
    this.byTopic.set(topic, notice);
  }

  all(): AcceptorNotice[] {
    return [...this.byTopic.values()];
  }
}
