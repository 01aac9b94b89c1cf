/**
 * Sends the API server what is to be written into the cluster.
 *
 * Thread: supervisor (on the main thread). Never rejects. A cluster that cannot be written to is
 * told once, until all could be written again: it is tried again and again.
 */
import { getText } from '../discovery/http-get.js';
import type { KubeAccess } from '../discovery/kube-access.js';
import type { FollowerLog } from '../sources/release-follower.js';

const LIMIT_MS = 10_000;

/** When what has failed is tried again. */
export const WRITE_RETRY_MS = 15_000;

export interface ClusterWrite {
  readonly method: 'PATCH' | 'POST';
  readonly path: string;
  /** JSON; of a PATCH what is merged into the object. */
  readonly body: string;
}

export interface ClusterRequestsParts {
  access(): Promise<KubeAccess>;
  readonly log: FollowerLog;
}

export class ClusterRequests {
  private readonly asking = new AbortController();
  private isTold = false;

  constructor(private readonly parts: ClusterRequestsParts) {}

  get isStopped(): boolean {
    return this.asking.signal.aborted;
  }

  stop(): void {
    this.asking.abort();
  }

  /** `gone`: there is no such object. `conflict`: it has changed, or others have made it. */
  async send(write: ClusterWrite): Promise<'done' | 'gone' | 'conflict' | 'failed'> {
    const { method, path, body } = write;
    try {
      const access = await this.parts.access();
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const { status } = await getText({
        ...access,
        ...{ url: access.url + path, method, body, timeoutMs: LIMIT_MS },
        headers: { ...access.headers, 'content-type': type },
        signal: this.asking.signal,
      });
      if (status < 300) return 'done';
      if (status === 404) return 'gone';
      if (status === 409) return 'conflict';
      throw new Error(`status ${status}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { log } = this.parts;
      if (!this.isTold && !this.isStopped) {
        log('warn', { path, reason }, 'what became of an object cannot be written to the cluster');
      }
      this.isTold = true;
      return 'failed';
    }
  }

  /** All that was wanted is written: what fails from now on is told. */
  onAllWritten(): void {
    this.isTold = false;
  }
}
