/**
 * What ReplyReader makes of the bytes of one reply, given in pieces and then ended.
 */
import { ReplyReader } from '../../src/wire/http1/reply-reader.js';

export interface ReplyOutcome {
  /** `cut`: the connection ended too early. */
  readonly verdict: 'complete' | 'broken' | 'cut';
  readonly isReusable: boolean;
  /** 0: no final head came. */
  readonly status: number;
  readonly fields: string;
  readonly body: Buffer;
  readonly problem: string;
}

export interface ReadOptions {
  readonly isHead?: boolean;
  /** Stops after every piece of the body, and goes on when asked. */
  readonly isSlow?: boolean;
}

export function readReply(pieces: readonly Buffer[], options: ReadOptions = {}): ReplyOutcome {
  const { isHead = false, isSlow = false } = options;
  const body: Buffer[] = [];
  const outcome = {
    verdict: 'cut' as ReplyOutcome['verdict'],
    isReusable: false,
    status: 0,
    fields: '',
    problem: '',
  };
  const reader = new ReplyReader({
    onReplyBegun: () => {},
    onReplyInterim: () => {},
    onReplyHead: ({ status, fields }) => Object.assign(outcome, { status, fields }),
    onReplyData: (bytes) => {
      body.push(Buffer.from(bytes));
      return !isSlow;
    },
    onReplyEnd: (isReusable) => Object.assign(outcome, { verdict: 'complete', isReusable }),
    onReplyBroken: (problem) => {
      // A byte behind a complete reply takes the connection, not the reply.
      if (outcome.verdict === 'complete') outcome.isReusable = false;
      else Object.assign(outcome, { verdict: 'broken', problem });
    },
  });
  reader.begin(isHead);
  for (const piece of pieces) {
    reader.take(piece, 0, piece.length);
    const { awaitsBody } = reader;
    while (reader.isPaused) reader.resume();
    if (awaitsBody && !reader.awaitsBody) throw new Error('the body has ended without a read');
  }
  reader.finish();
  return { ...outcome, body: Buffer.concat(body) };
}

/** The bytes, each alone. */
export function oneByOne(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.of(byte));
}

/** Cut before these places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...places].filter((at) => at > 0 && at < bytes.length).sort((a, b) => a - b);
  const ends = [...sorted, bytes.length];
  return ends.map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
}
