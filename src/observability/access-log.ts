/**
 * One record for each request: who asked for what, and what came of it.
 *
 * Thread: any (both ends). Written by whoever finished the request. Holds no field values of the
 * client's but the target; credentials belong into fields, not into targets.
 */
import type { Logger } from 'pino';

/** Longer targets are cut, so that a line stays within one write. */
const TARGET_CHARS_MAX = 1024;
/** The same of what credentials say; escaped, a character may take six. */
const CONSUMER_CHARS_MAX = 256;

export interface AccessRecord {
  readonly requestId: string;
  readonly clientIp: string;
  /** Empty: not known. */
  readonly consumer: string;
  readonly method: string;
  readonly target: string;
  /** Empty: none matched. */
  readonly route: string;
  /** host:port; empty: none was asked. */
  readonly upstreamTarget: string;
  /** Tries at targets, the first included; 0: none was asked. */
  readonly tries: number;
  /** 499: the client left before a reply began. */
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Code of the gateway's own problem, or empty. */
  readonly code: string;
}

export type AccessLog = (record: AccessRecord) => void;

/** Writes records, or does nothing when access records are switched off. */
export function createAccessLog(logger: Logger, isEnabled: boolean): AccessLog {
  if (!isEnabled) return () => {};
  return (record) => {
    const { consumer, target, durationMs } = record;
    logger.info(
      {
        ...record,
        consumer: cut(consumer, CONSUMER_CHARS_MAX),
        target: cut(target, TARGET_CHARS_MAX),
        durationMs: Math.round(durationMs * 1000) / 1000,
      },
      'request',
    );
  };
}

function cut(text: string, charsMax: number): string {
  return text.length > charsMax ? text.slice(0, charsMax) : text;
}
