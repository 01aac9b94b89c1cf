/** What has come of the requests of a load, whatever they are sent over. */

/** What has come of the requests since the start, or since the last time. */
export interface LoadFigures {
  sent: number;
  /** 200, within the deadline. */
  good: number;
  /** 200, too late. */
  late: number;
  /** 429 and 503. */
  refused: number;
  /** Any other status. */
  failed: number;
  /** Connections, or streams, that ended under a request. */
  dropped: number;
  /** Latencies of good replies, and how long it took to be refused. */
  readonly goodMs: number[];
  readonly refusedMs: number[];
  /** Statuses with their problem codes, other than 200. */
  readonly kinds: Record<string, number>;
}

/** A reply that has come. */
export interface LoadReply {
  readonly status: number;
  readonly body: string;
  /** When the request was due, and when it was sent. */
  readonly dueMs: number;
  readonly sentMs: number;
}

function noFigures(): LoadFigures {
  const counts = { sent: 0, good: 0, late: 0, refused: 0, failed: 0, dropped: 0 };
  return { ...counts, goodMs: [], refusedMs: [], kinds: {} };
}

export class LoadTally {
  private figures = noFigures();

  constructor(private readonly deadlineMs: number) {}

  /** The figures so far; counting begins anew. */
  take(): LoadFigures {
    const { figures } = this;
    this.figures = noFigures();
    return figures;
  }

  onSent(): void {
    this.figures.sent++;
  }

  onReply({ status, body, dueMs, sentMs }: LoadReply): void {
    const { figures, deadlineMs } = this;
    const nowMs = performance.now();
    if (status === 200) {
      if (nowMs - dueMs > deadlineMs) figures.late++;
      else {
        figures.good++;
        figures.goodMs.push(nowMs - dueMs);
      }
      return;
    }
    if (status === 503 || status === 429) {
      figures.refused++;
      // How fast it was refused is told from when it was sent: waiting was this client's own.
      figures.refusedMs.push(nowMs - sentMs);
    } else figures.failed++;
    this.countKind(`${status} ${/"code":"(\w+)"/.exec(body)?.[1] ?? ''}`);
  }

  onDropped(kind: string): void {
    this.figures.dropped++;
    this.countKind(kind);
  }

  private countKind(kind: string): void {
    this.figures.kinds[kind] = (this.figures.kinds[kind] ?? 0) + 1;
  }
}
