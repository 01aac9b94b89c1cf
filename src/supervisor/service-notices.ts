/**
 * Tells systemd how the gateway stands, where a unit of `Type=notify` has started it.
 *
 * Thread: supervisor (on the main thread). Owns the messages on their way. Node.js has no datagram
 * sockets of Unix, so each message is a run of the program systemd-notify, which is there wherever
 * systemd is. They go one after the other, since systemd must not learn of the end of a reload
 * before its beginning.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../base/clock.js';

/** The protocol's own variables, as systemd sets them. */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  /** Microseconds within which systemd wants a sign of life. */
  readonly WATCHDOG_USEC?: string | undefined;
  /** Of whom it wants one; absent: of whoever reads this. */
  readonly WATCHDOG_PID?: string | undefined;
}

export interface ServiceNoticesParts {
  readonly environment: ServiceEnvironment;
  readonly pid: number;
  readonly clock: Pick<Clock, 'nowMs' | 'every'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Sends one message of these assignments. Rejects when that is impossible. */
  send(assignments: readonly string[]): Promise<void>;
  /** Whether requests can be answered: only then systemd gets a sign of life. */
  isAlive(): boolean;
}

type Standing = 'starting' | 'ready' | 'reloading' | 'stopping';

/** Signs of life for each period in which systemd wants one. */
const SIGNS_PER_PERIOD = 2;

export class ServiceNotices {
  private standing: Standing = 'starting';
  private tail: Promise<void> = Promise.resolve();
  /** Messages that are not through yet. */
  private waiting = 0;
  private hasFailed = false;
  private isSilent = false;
  private watchdog: Timer | null = null;

  constructor(private readonly parts: ServiceNoticesParts) {}

  /** Requests are accepted from now on. */
  started(): void {
    if (this.standing !== 'starting') return;
    this.ready();
    this.startWatchdog();
  }

  reloading(): void {
    if (this.standing !== 'ready') return;
    this.standing = 'reloading';
    // By its time systemd knows that this is the reload which it has asked for.
    const microseconds = Math.floor(this.parts.clock.nowMs() * 1000);
    this.queue(['RELOADING=1', `MONOTONIC_USEC=${microseconds}`]);
  }

  /** With whatever outcome. */
  reloaded(): void {
    if (this.standing === 'reloading') this.ready();
  }

  stopping(): void {
    if (this.standing === 'stopping') return;
    this.standing = 'stopping';
    this.watchdog?.cancel();
    this.queue(['STOPPING=1']);
  }

  /** Resolves when all messages so far are through, or have failed. Never rejects. */
  written(): Promise<void> {
    return this.tail;
  }

  private ready(): void {
    this.standing = 'ready';
    this.queue(['READY=1']);
  }

  private startWatchdog(): void {
    const periodMs = watchdogMs(this.parts.environment, this.parts.pid);
    if (periodMs === 0 || !this.hasListener) return;
    this.watchdog = this.parts.clock.every(periodMs / SIGNS_PER_PERIOD, () => this.signOfLife());
  }

  private signOfLife(): void {
    const { isAlive, logger } = this.parts;
    const isSilent = !isAlive();
    if (isSilent && !this.isSilent) {
      logger.warn('systemd gets no sign of life while no request can be answered');
    }
    this.isSilent = isSilent;
    // One that waits says as much.
    if (!isSilent && this.waiting === 0) this.queue(['WATCHDOG=1']);
  }

  private get hasListener(): boolean {
    return (this.parts.environment.NOTIFY_SOCKET ?? '') !== '';
  }

  private queue(assignments: readonly string[]): void {
    if (!this.hasListener) return;
    this.waiting += 1;
    this.tail = this.tail.then(() => this.sendOne(assignments));
  }

  private async sendOne(assignments: readonly string[]): Promise<void> {
    try {
      await this.parts.send(assignments);
    } catch (error) {
      this.tellOfFailure(error);
    } finally {
      this.waiting -= 1;
    }
  }

  private tellOfFailure(error: unknown): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    const message =
      'systemd cannot be told how the gateway stands: NOTIFY_SOCKET is set, and the program ' +
      'systemd-notify does not run; install it, or use Type=exec without WatchdogSec';
    this.parts.logger.warn({ err: error }, message);
  }
}

/** 0: systemd does not want signs of life of this process. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment, pid: number): number {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return 0;
  const microseconds = Number(WATCHDOG_USEC ?? 0);
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1000 : 0;
}
