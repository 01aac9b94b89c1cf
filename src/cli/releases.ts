/**
 * `sluice releases`: lists what can be gone back to.
 *
 * Thread: supervisor (on the main thread).
 */
import { currentOf, releasesIn } from '../supervisor/sources/publishing.js';
import { CURRENT } from '../supervisor/sources/release-layout.js';
import { type CommandArguments, type CommandIo, EXIT_OK, type ExitCode } from './command-io.js';
import { withStore } from './publish.js';
import { reportErrors } from './report-error.js';

/** Prints the releases, the newest first, with a mark at the one in force. */
export function releasesCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, () =>
    withStore(args, io, async (store) => {
      const { pointer } = currentOf((await store.read([CURRENT])).values);
      const ids = [...(await releasesIn(store))].reverse();
      if (ids.length === 0) io.stdout.write(`${store.name} has no release\n`);
      for (const id of ids) io.stdout.write(`${id === pointer?.id ? '=>' : '  '} ${id}\n`);
      return EXIT_OK;
    }),
  );
}
