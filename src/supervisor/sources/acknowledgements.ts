/**
 * What the gateways that follow a store say to a document: whether they use it, or refuse it.
 *
 * Thread: supervisor (on the main thread).
 */
import type { Clock } from '../../base/clock.js';
import type { ConfigStore } from './config-store.js';
import { type NodeReport, parseReport } from './node-report.js';
import { currentOf } from './publishing.js';
import { CURRENT, NODES } from './release-layout.js';

/** The document that is waited for. */
export interface WaitedDocument {
  /** '': a release. */
  readonly team: string;
  readonly id: string;
  /** '': the part was taken away. */
  readonly sha256: string;
}

export type NodeVerdict = 'applied' | 'refused' | 'pending';

export interface NodeAnswer {
  readonly node: string;
  readonly verdict: NodeVerdict;
  readonly reasons: readonly string[];
}

export interface WaitOutcome {
  readonly answers: readonly NodeAnswer[];
  /** `superseded`: another release is in force by now. */
  readonly ended: 'all' | 'timeout' | 'superseded';
}

const POLL_MS = 200;

/** Waits until every gateway that is there has said what it makes of the document. */
export async function waitForNodes(
  store: ConfigStore,
  document: WaitedDocument,
  options: {
    readonly clock: Pick<Clock, 'nowMs' | 'after'>;
    readonly nodesMin: number;
    readonly timeoutMs: number;
  },
): Promise<WaitOutcome> {
  const { clock, nodesMin, timeoutMs } = options;
  const deadlineMs = clock.nowMs() + timeoutMs;
  for (;;) {
    const { values } = await store.read([NODES, CURRENT]);
    const answers = reportsIn(values).map((report) => answerOf(report, document));
    const isSuperseded = document.team === '' && currentOf(values).pointer?.id !== document.id;
    if (isSuperseded) return { answers, ended: 'superseded' };
    const isDecided = answers.every(({ verdict }) => verdict !== 'pending');
    if (isDecided && answers.length >= nodesMin) return { answers, ended: 'all' };
    if (clock.nowMs() >= deadlineMs) return { answers, ended: 'timeout' };
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
  }
}

/** The reports of all gateways that are there, by their names. */
export function reportsIn(values: ReadonlyMap<string, { readonly text: string }>): NodeReport[] {
  const reports: NodeReport[] = [];
  for (const [key, { text }] of values) {
    if (!key.startsWith(NODES)) continue;
    const report = parseReport(key.slice(NODES.length), text);
    if (report !== null) reports.push(report);
  }
  return reports.sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** What one gateway says to the document. */
export function answerOf(report: NodeReport, { team, id, sha256 }: WaitedDocument): NodeAnswer {
  const { node } = report;
  const part = report.parts[team];
  const refused = team === '' ? report.refused : (part?.refused ?? null);
  if (refused?.id === id) return { node, verdict: 'refused', reasons: refused.reasons };
  const isApplied = team === '' ? report.release?.id === id : (part?.sha256 ?? '') === sha256;
  return { node, verdict: isApplied ? 'applied' : 'pending', reasons: [] };
}
