/**
 * `sluice publish`: checks a configuration and puts it into a store, for all gateways that follow
 * it; `sluice rollback --to`: puts an earlier one into force.
 *
 * Thread: supervisor (on the main thread). Exit codes: 0 published, and with --wait used by every
 * gateway; 2 the configuration is wrong, or a gateway has refused it; 1 the store, or time.
 */

import { fileProblem } from '../base/system-problem.js';
import { ConfigError } from '../config/check/config-error.js';
import { readMachineLimits } from '../config/machine-limits.js';
import { shareConfig } from '../config/shared/share-config.js';
import {
  type ConfigDocument,
  DOCUMENT_BYTES_MAX,
  TEAM_NAME,
} from '../config/source/config-document.js';
import { loadFile } from '../config/source/load-file.js';
import { textOfFile } from '../config/source/piped-file.js';
import { proveConfig } from '../supervisor/loading/prove-config.js';
import { type WaitedDocument, waitForNodes } from '../supervisor/sources/acknowledgements.js';
import type { ConfigStore, StoreView } from '../supervisor/sources/config-store.js';
import { openStore } from '../supervisor/sources/open-store.js';
import {
  currentOf,
  type Published,
  publishPart,
  publishRelease,
  rollBackTo,
} from '../supervisor/sources/publishing.js';
import {
  CURRENT,
  isReleaseId,
  PARTS,
  RELEASES,
  teamOf,
} from '../supervisor/sources/release-layout.js';
import { parseStoreAddress } from '../supervisor/sources/store-address.js';
import { requireConfigFile } from './command-config.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';
import { stayAliveDuring } from './stay-alive.js';
import { countOf, durationOf, storeOf } from './store-options.js';

const KEEP = '50';
const TIMEOUT = '60s';

/** Checks and publishes. */
export function publishCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () =>
    withStore(args, io, async (store) => {
      const team = teamIn(args);
      const keep = countOf('--keep', args.keep ?? KEEP);
      const view = await store.read([CURRENT, PARTS]);
      const text = args.isRemoving ? null : readText(requireConfigFile(args));
      if (text !== null) await check({ team, text, args, io }, store, view);
      const { unixMs } = io.clock;
      const published =
        team === '' && text !== null
          ? await publishRelease(store, text, {
              ...{ current: currentOf(view.values), unixMs: unixMs(), keep },
            })
          : await publishPart(store, team, { text, before: view.values.get(PARTS + team) });
      const subject = team === '' ? published.id : `part ${team}`;
      io.stdout.write(`${published.isNew ? 'published' : 'nothing new:'} ${subject}\n`);
      return waitIfWanted({ ...published, team }, { store, args, io });
    }),
  );
}

/** Puts an earlier release into force. */
export function rollbackInStore(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () =>
    withStore(args, io, async (store) => {
      const id = args.words[0] ?? null;
      if (id !== null && !isReleaseId(id)) throw new UsageError(`"${id}" is no ID of a release`);
      const published = await rollBackTo(store, id);
      const what = published.isNew ? 'in force again:' : 'in force already:';
      io.stdout.write(`${what} ${published.id}\n`);
      return waitIfWanted({ ...published, team: '' }, { store, args, io });
    }),
  );
}

/** Opens the store that the options name, and closes it. */
export async function withStore(
  args: CommandArguments,
  io: CommandIo,
  work: (store: ConfigStore) => Promise<ExitCode>,
): Promise<ExitCode> {
  const store = await openStore(parseStoreAddress(storeOf(args, io.env), io.env), io.clock);
  try {
    return await stayAliveDuring(() => work(store));
  } finally {
    store.close();
  }
}

function teamIn({ part = '', isRemoving }: CommandArguments): string {
  if (part !== '' && !TEAM_NAME.test(part)) {
    throw new UsageError('--part takes a name of small letters and digits, at most 32');
  }
  if (isRemoving && part === '') throw new UsageError('--remove goes with --part TEAM only');
  return part;
}

function readText(file: string): string {
  try {
    return textOfFile(file);
  } catch (error) {
    const message = `the file cannot be read: ${fileProblem(error)}`;
    throw new ConfigError(file, [{ path: '', line: 0, column: 0, message }]);
  }
}

interface CheckedText {
  readonly team: string;
  readonly text: string;
  readonly args: CommandArguments;
  readonly io: CommandIo;
}

/**
 * Checks the text as gateways will have it: with the release, and with the parts of all teams.
 * What is wrong with a document that somebody else has published is told, and stops nobody.
 */
async function check(
  { team, text, args, io }: CheckedText,
  store: ConfigStore,
  view: StoreView,
): Promise<void> {
  const file = requireConfigFile(args);
  if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) {
    const message = `is larger than ${DOCUMENT_BYTES_MAX / 1024} KiB, which is what a store takes`;
    throw new ConfigError(file, [{ path: '', line: 0, column: 0, message }]);
  }
  let documents = [{ name: file, text, team }, ...(await documentsOfOthers(team, store, view))];
  documents.sort((a, b) => (a.team < b.team ? -1 : 1));
  for (;;) {
    try {
      const machine = readMachineLimits();
      const order = { file, environment: io.env, machine, store: { documents, localFile: null } };
      await proveConfig(shareConfig(loadFile(order).compiled), io.clock.unixMs);
      return;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const wrong = new Set(error.issues.map((issue) => issue.file ?? file));
      const left = documents.filter(({ name }) => !wrong.has(name));
      if (wrong.has(file) || left.length === documents.length) throw error;
      documents = left;
      io.stderr.write(`warning: checked without ${[...wrong].join(', ')}: ${error.message}\n`);
    }
  }
}

async function documentsOfOthers(
  team: string,
  store: ConfigStore,
  { values }: StoreView,
): Promise<ConfigDocument[]> {
  const documents: ConfigDocument[] = [];
  for (const [key, { text }] of values) {
    const other = teamOf(key);
    if (other === '' || other === team) continue;
    documents.push({ name: `${store.name}/${key}`, text, team: other });
  }
  const { pointer } = currentOf(values);
  if (team === '' || pointer === null) return documents;
  const key = RELEASES + pointer.id;
  const text = (await store.read([key])).values.get(key)?.text;
  if (text !== undefined) documents.push({ name: `${store.name}/${key}`, text, team: '' });
  return documents;
}

async function waitIfWanted(
  { team, id, sha256 }: Published & Pick<WaitedDocument, 'team'>,
  {
    store,
    args,
    io,
  }: { readonly store: ConfigStore; readonly args: CommandArguments; readonly io: CommandIo },
): Promise<ExitCode> {
  const timeoutMs = durationOf('--timeout', args.timeout ?? TIMEOUT);
  const nodesMin = args.nodes === undefined ? 0 : countOf('--nodes', args.nodes);
  if (!args.isWaiting) return EXIT_OK;
  const document = { team, id, sha256 };
  const outcome = await waitForNodes(store, document, { clock: io.clock, nodesMin, timeoutMs });
  const { answers, ended } = outcome;
  const [applied, refused, pending] = (['applied', 'refused', 'pending'] as const).map((verdict) =>
    answers.filter((one) => one.verdict === verdict),
  );
  const count = `${applied?.length ?? 0} of ${answers.length}`;
  io.stdout.write(`in force at ${count} gateways\n`);
  for (const { node, reasons } of refused ?? []) {
    io.stderr.write(`${node} has refused it:\n${reasons.map((one) => `  ${one}\n`).join('')}`);
  }
  for (const { node } of pending ?? []) io.stderr.write(`${node} has not answered\n`);
  if ((refused?.length ?? 0) > 0) return EXIT_USAGE;
  if (ended === 'all') return EXIT_OK;
  const why = ended === 'superseded' ? 'another release is in force by now' : 'the time is over';
  io.stderr.write(
    `sluice: ${why}${nodesMin > answers.length ? `; ${nodesMin} gateways wanted` : ''}\n`,
  );
  return EXIT_FAILURE;
}
