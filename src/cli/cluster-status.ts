/**
 * `sluice status --cluster`: shows which gateway uses which release, and who refuses one.
 *
 * Thread: supervisor (on the main thread). Exit codes: 0 every gateway uses what the store names;
 * 2 one refuses it; 1 one is behind, or the store cannot be reached.
 */
import { answerOf, type NodeVerdict, reportsIn } from '../supervisor/sources/acknowledgements.js';
import type { NodeReport } from '../supervisor/sources/node-report.js';
import { currentOf } from '../supervisor/sources/publishing.js';
import { CURRENT, NODES, PARTS, sha256Of, teamOf } from '../supervisor/sources/release-layout.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  type ExitCode,
} from './command-io.js';
import { withStore } from './publish.js';

interface ClusterStatus {
  readonly store: string;
  /** null: the store names none. */
  readonly release: string | null;
  readonly nodes: readonly (NodeReport & {
    readonly verdict: NodeVerdict;
    readonly problems: readonly string[];
  })[];
}

/** Prints a line for each gateway, or JSON. */
export function clusterStatus(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return withStore(args, io, async (store) => {
    const { values } = await store.read([CURRENT, PARTS, NODES]);
    const status = statusOf(store.name, values);
    io.stdout.write(args.isJson ? `${JSON.stringify(status, null, 2)}\n` : tableOf(status));
    const verdicts = status.nodes.map(({ verdict }) => verdict);
    if (verdicts.includes('refused')) return EXIT_USAGE;
    return verdicts.includes('pending') ? EXIT_FAILURE : EXIT_OK;
  });
}

function statusOf(
  store: string,
  values: ReadonlyMap<string, { readonly text: string; readonly version: number }>,
): ClusterStatus {
  const { pointer } = currentOf(values);
  const wanted = [...values]
    .map(([key, { text }]) => ({ team: teamOf(key), sha256: sha256Of(text) }))
    .filter(({ team }) => team !== '')
    .map((part) => ({ ...part, id: part.sha256 }));
  if (pointer !== null) wanted.unshift({ team: '', ...pointer });
  const nodes = reportsIn(values).map((report) => {
    const answers = wanted.map((document) => answerOf(report, document));
    const verdicts = answers.map(({ verdict }) => verdict);
    const worst = (['refused', 'pending'] as const).find((one) => verdicts.includes(one));
    const problems = answers.flatMap(({ reasons }) => reasons);
    return { ...report, verdict: worst ?? ('applied' as const), problems };
  });
  return { store, release: pointer?.id ?? null, nodes };
}

function tableOf({ store, release, nodes }: ClusterStatus): string {
  const lines = [`${store}: ${release ?? 'no release'}, ${nodes.length} gateways`];
  const width = Math.max(4, ...nodes.map(({ node }) => node.length));
  for (const { node, version, release: own, from, verdict, problems } of nodes) {
    const uses = `${own?.id ?? 'nothing'}${from === 'copy' ? ' (copy on disk)' : ''}`;
    lines.push(`${node.padEnd(width)}  ${version}  ${verdict.padEnd(8)}  ${uses}`);
    lines.push(...problems.map((one) => `${' '.repeat(width)}  ${one}`));
  }
  return `${lines.join('\n')}\n`;
}
