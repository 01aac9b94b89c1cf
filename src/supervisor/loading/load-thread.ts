/**
 * Makes the next version of the configuration aside, in a thread that lives as long as that takes:
 * whoever serves requests goes on serving them meanwhile, and gets the processor first.
 *
 * Thread: loader. Started by the supervisor for a reload.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../base/clock.js';
import { prepareVersion, type VersionOrder } from './prepare-version.js';

/** A third of the processor's time beside a thread that wants all of it, and not a tenth. */
const NICENESS = 5;

giveWay();
parentPort?.postMessage(await prepareVersion(workerData as VersionOrder, systemClock.unixMs));

/** Lowers the priority of this thread, where threads have one of their own. */
function giveWay(): void {
  // Elsewhere it would be that of the whole process.
  if (process.platform !== 'linux') return;
  try {
    setPriority(NICENESS);
  } catch {
    // A sandbox forbids it: the version is made at the priority of everybody else.
  }
}
