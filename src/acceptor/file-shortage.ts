/**
 * Makes room when the process can open no more files.
 *
 * Thread: acceptor. Owns how many connections there may be meanwhile. By its caps the process has
 * files for everything (connection-rule.ts), but what targets, stores and logs need cannot be known
 * for sure. A connection that gets no file cannot even be refused: it waits, and libuv tries again
 * in each turn. So connections are let go, the newest first, more each time, until a file can be
 * opened; and there are fewer than that for some time.
 */

/** Connections that are let go at the first look. Half of these may come back. */
const ROOM_MIN = 16;
const ROOM_MAX = 4096;
/** For how long there are fewer connections. */
const CALM_MS = 60_000;

export interface FileShortageParts {
  nowMs(): number;
  /** A file can be opened. */
  hasFreeFile(): boolean;
  /** Connections of the process. */
  openConnections(): number;
  /** Up to `count` connections on which nothing is under way are closed. */
  letGo(count: number): void;
  /** Once for each shortage. */
  onShortage(): void;
}

export class FileShortage {
  /** As many connections there may be; infinite: there is no shortage. */
  connectionsMax = Number.POSITIVE_INFINITY;

  private room = ROOM_MIN;
  private lastMs = 0;

  constructor(private readonly parts: FileShortageParts) {}

  /** To be called some times in a second. */
  look(): void {
    const { parts } = this;
    const isKnown = this.connectionsMax !== Number.POSITIVE_INFINITY;
    if (parts.hasFreeFile()) {
      this.room = ROOM_MIN;
      if (isKnown && parts.nowMs() - this.lastMs >= CALM_MS) {
        this.connectionsMax = Number.POSITIVE_INFINITY;
      }
      return;
    }
    this.lastMs = parts.nowMs();
    const open = Math.min(this.connectionsMax, parts.openConnections());
    this.connectionsMax = Math.max(1, open - this.room / 2);
    if (!isKnown) parts.onShortage();
    parts.letGo(this.room);
    this.room = Math.min(2 * this.room, ROOM_MAX);
  }
}
